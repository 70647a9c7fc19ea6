"""Links between documents lead somewhere, and every command that a document shows exists: programs with their subcommands and
flags (asked for their --help), scripts with theirs.

    python3 tests/docs/check_documents.py SOURCE_DIR DIR_WITH_PROGRAMS
"""
import pathlib
import re
import subprocess
import sys

source, programs = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
problems = []
checked = {"links": 0, "commands": 0}
helps = {}


def help_of(program, words):
    key = (program, *words)
    if key not in helps:
        path = programs / program / program
        done = subprocess.run([path, *words, "--help"], capture_output=True, text=True)
        helps[key] = done.stdout if done.returncode == 0 else None
    return helps[key]


def check_program(where, line):
    words = line.split()
    program, words = words[0], words[1:]
    top = help_of(program, [])
    commands = []
    text = top
    while words:
        word = words[0]
        if word.startswith("-"):
            flag = word.split("=")[0]
            if flag not in (text or "") and flag not in top:
                problems.append(f"{where}: {program} {' '.join(commands)} has no {flag}")
            words = words[1:]
            if words and not words[0].startswith("-") and re.search(re.escape(flag) + r"[ ,\w-]* (TEXT|UINT|DIR|FILE)", (text or "") + top):
                words = words[1:]
            continue
        if re.search(rf"^  {re.escape(word)}\b", text or "", re.MULTILINE) and "Subcommands:" in (text or ""):
            commands.append(word)
            text = help_of(program, commands)
            if text is None:
                problems.append(f"{where}: {program} {' '.join(commands)} has no --help")
                return
        elif not commands:
            problems.append(f"{where}: {program} has no command {word}")
            return
        words = words[1:]
    checked["commands"] += 1


for page in sorted([*source.glob("*.md"), *source.glob("docs/**/*.md")]):
    text = page.read_text()
    where = page.relative_to(source)
    for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", text):
        checked["links"] += 1
        if not (page.parent / target).exists():
            problems.append(f"{where}: link to {target} leads nowhere")
    for block in re.findall(r"```(?:sh|console)\n(.*?)```", text, re.DOTALL):
        for line in block.splitlines():
            line = line.removeprefix("$ ").split("#")[0].strip()
            if re.match(r"opaline(d|-records)? ", line):
                check_program(where, re.sub(r'"[^"]*"', "TEXT", line.split("|")[0]))
            elif line.startswith("./"):
                name = line.split()[0].removeprefix("./")
                checked["commands"] += 1
                if not (source / name).exists():
                    problems.append(f"{where}: there is no {line.split()[0]}")
for problem in problems:
    print(problem)
print(f"{checked['links']} links and {checked['commands']} commands checked, {len(problems)} wrong")
sys.exit(1 if problems or checked["links"] < 20 or checked["commands"] < 4 else 0)
