"""Rows of attachments: the command line client against a server of its own, beside a copy on the same disk."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

from harness.figures import Figure
from harness.processes import Failed

SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent
SIZE = 100_000_000


def files(bench):
    """A file of 100 MB: `send --attach` until it is `sent`, `save` until it has its name; cp and fsync."""
    sys.path.insert(0, str(SOURCE / "tools"))
    import walkthrough  # what ./run shows, used here for its server and people
    walkthrough.say = lambda text="": None
    scratch = bench.data / "files"
    scratch.mkdir()
    programs = bench.programs.build / "apps"
    server = walkthrough.Server(programs / "opalined" / "opalined", scratch / "server", True)
    try:
        people = [walkthrough.Person(name, f"{name.lower()}@example.org", programs / "opaline" / "opaline", server, scratch) for name in ("Anna", "Ben")]
        for person in people:
            if person.register()[0] is None:
                raise Failed(f"{person.name} could not register")
        anna, ben = people
        command(ben, "send", anna.handle, "hello")
        command(anna, "receive")
        source = scratch / "file.bin"
        source.write_bytes(os.urandom(SIZE))
        up, down, copy = [], [], []
        for run in range(bench.runs):
            seconds, lines = command(ben, "send", anna.handle, "--attach", str(source), "--wait", "300")
            up.append(SIZE / seconds / 1e6)
            command(anna, "receive")
            folder = scratch / f"saved{run}"
            folder.mkdir()
            seconds, _ = command(anna, "save", lines[-1]["id"], "--to", str(folder))
            down.append(SIZE / seconds / 1e6)
            if next(folder.iterdir()).read_bytes() != source.read_bytes():
                raise Failed("the file is not the same")
            copy.append(SIZE / copied(source, folder / "copy") / 1e6)
            shutil.rmtree(folder)
    finally:
        server.stop()
    yield Figure("files", "send --attach of 100 MB, whole command", "MB/s", up, "cp and fsync", copy, "near disk speed")
    yield Figure("files", "save of 100 MB, whole command", "MB/s", down, "cp and fsync", copy, "near disk speed")


def command(person, *arguments):
    """Seconds that the command took, and its JSON lines."""
    started = time.monotonic()
    done = subprocess.run(person.command + ["--json", *arguments], capture_output=True, text=True, timeout=600)
    seconds = time.monotonic() - started
    if done.returncode != 0:
        raise Failed(f"{person.name}: {arguments[0]} failed: {done.stdout[-200:]} {done.stderr[-200:]}")
    return seconds, [json.loads(line) for line in done.stdout.splitlines()]


def copied(source, target):
    started = time.monotonic()
    shutil.copyfile(source, target)
    fd = os.open(target, os.O_RDWR)
    os.fsync(fd)
    os.close(fd)
    return time.monotonic() - started
