"""The systemd units of packaging/ are understood by systemd, name a program's flags that exist, and leave little open.

    python3 tests/docs/check_units.py SOURCE_DIR DIR_WITH_PROGRAMS
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

MAX_EXPOSURE = 2.5  # of 10, by `systemd-analyze security`

source, programs = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve()
problems = []
if shutil.which("systemd-analyze") is None:
    print("there is no systemd-analyze here")
    sys.exit(77)
units = sorted((source / "packaging").glob("*.service"))
with tempfile.TemporaryDirectory(prefix="opaline-units-") as scratch:
    for unit in units:
        text = unit.read_text().replace("/usr/bin/opalined", str(programs / "opalined" / "opalined"))
        copy = pathlib.Path(scratch) / unit.name
        copy.write_text(text)
    for unit in units:
        copy = pathlib.Path(scratch) / unit.name
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", copy], capture_output=True, text=True)
        said = [line for line in (done.stdout + done.stderr).splitlines() if unit.name in line]
        if done.returncode != 0 or said:
            problems.append(f"{unit.name}: {done.returncode} {said}")
        done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", copy], capture_output=True, text=True)
        found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
        if found is None or float(found[1]) > MAX_EXPOSURE:
            problems.append(f"{unit.name}: exposure {found and found[1]}")
        pre, start = (re.search(rf"^{key}=(.*)$", copy.read_text(), re.MULTILINE)[1].split() for key in ("ExecStartPre", "ExecStart"))
        if pre != [*start, "--check-config"]:
            problems.append(f"{unit.name}: what is checked is not what is started")
        usage = subprocess.run([start[0], "--help"], capture_output=True, text=True).stdout
        problems += [f"{unit.name}: there is no {word}" for word in start if word.startswith("--") and not re.search(rf"{word}\b", usage)]
        for limit in ("MemorySwapMax=0", "LimitCORE=0"):  # docs/promises.md, 2 and 5
            if limit not in unit.read_text():
                problems.append(f"{unit.name} has no {limit}")
for problem in problems:
    print(problem)
print(f"{len(units)} units checked, {len(problems)} problems")
sys.exit(1 if problems or len(units) < 2 else 0)
