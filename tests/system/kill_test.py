"""kill -9 of the server at every named fault point while people write: nothing that was `sent` is lost, doubled or out of order.

    python3 tests/system/kill_test.py SOURCE_DIR DIR_WITH_PROGRAMS
"""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

source, programs = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
sys.path.insert(0, str(source / "tools"))
from walkthrough import Person, Server  # noqa: E402

ANNA, BEN = "anna@example.org", "ben@example.org"
# Not on the way of a message, so a run may end without reaching them: they are expiry_test.py's.
MAY_BE_MISSED = re.compile(r"store\.(before_expiry|after_keys_destroyed|after_day_dropped)|vault\.(before_destroy_mark|after_destroy_mark|after_overwrite)")
names = sys.argv[3:] or re.findall(r'^\s+"((?:store|vault)\.\w+)",', (source / "src/base/fault_point.hpp").read_text(), re.MULTILINE)
program = programs / "opaline" / "opaline"
server_program = programs / "opalined" / "opalined"
passed = failed = 0
reached = set()


def person(name, handle, server, homes):
    return Person(name, handle, program, server, homes)


def command(who, *arguments):
    """Runs opaline against the server's present port; (exit code, JSON lines)."""
    done = subprocess.run(who.command + ["--json", "--server", who.server.url, *arguments], capture_output=True, text=True, timeout=120)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode not in (0, 3) and who.server.process.poll() is None:
        print(f"     {who.name}: {' '.join(arguments)}: exit code {done.returncode} {lines[-1:]} {done.stderr}")
    return done.returncode, lines


def texts(who, direction, state=None):
    _, lines = command(who, "history", "--limit", "1000")
    return [line["text"] for line in lines if line.get("direction") == direction and (state is None or line["state"] in state)]


def story(anna, ben, prefix):
    """Anna writes while Ben is away, he fetches, she writes on. Stops when the server has died."""
    for part in range(3):
        for i in range(3):
            command(anna, "send", BEN, f"{prefix} {part}.{i}", "--wait", "3")
            if anna.server.process.poll() is not None:
                return
        command(ben, "receive", "--wait", "3")
        if anna.server.process.poll() is not None:
            return


def run(name, count, template, scratch):
    work = scratch / f"{name}.{count}"
    shutil.copytree(template, work, symlinks=True)
    server = Server(server_program, work / "server", True)
    anna, ben = person("Anna", ANNA, server, work), person("Ben", BEN, server, work)
    server.stop()
    server = anna.server = ben.server = start_or_die(work, f"{name}:{count}")
    if server is not None:
        story(anna, ben, name)
        died = server.process.poll() == -9
        if not died:
            server.stop()
    else:
        died = True
    server = Server(server_program, work / "server", True)
    anna.server = ben.server = server
    sent = texts(anna, "out", ("sent", "delivered", "read"))
    command(anna, "receive")  # what was queued goes out
    for _ in range(3):
        command(ben, "receive")
        command(anna, "receive")
    wrote, got = texts(anna, "out"), texts(ben, "in")
    problems = []
    if died:
        reached.add(name)
    if missing := [text for text in sent if text not in got]:
        problems.append(f"was `sent` and is lost: {missing}")
    if got != wrote:
        problems.append(f"Anna wrote {wrote}, Ben has {got}")
    if server.stop() != 0:
        problems.append("the server did not shut down cleanly afterwards")
    print(f"{'ok  ' if not problems else 'FAIL'} {name}:{count}: {'killed' if died else 'not reached'}, {len(sent)} sent before, {len(got)} received", flush=True)
    for problem in problems:
        print(f"     {problem}")
    shutil.rmtree(work)
    return not problems


def start_or_die(work, fault):
    """The server with the fault armed; None if it died while it started."""
    try:
        return Server(server_program, work / "server", True, {"OPALINE_FAULT": fault})
    except RuntimeError:
        return None


with tempfile.TemporaryDirectory(prefix="opaline-kill-") as scratch_name:
    scratch = pathlib.Path(scratch_name)
    template = scratch / "template"
    template.mkdir()
    server = Server(server_program, template / "server", True)
    people = [person("Anna", ANNA, server, template), person("Ben", BEN, server, template)]
    for each in people:
        registered, _ = each.register()
        assert registered, f"{each.name} could not register"
    # Two beginnings: the very first message (no day has a key yet), and the middle of a conversation.
    server.stop()
    shutil.copytree(template, scratch / "fresh", symlinks=True)
    server = people[0].server = people[1].server = Server(server_program, template / "server", True)
    command(people[0], "send", BEN, "the first")
    command(people[1], "receive")
    server.stop()
    for name in names:
        for count, beginning in ((1, scratch / "fresh"), (3, template)):
            if run(name, count, beginning, scratch):
                passed += 1
            else:
                failed += 1
    for name in names:
        if name not in reached and not MAY_BE_MISSED.match(name):
            failed += 1
            print(f"FAIL {name}: never reached")
print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed or passed < len(names) else 0)
