"""Promise 4 with a real server and real clients: 30 days, then gone for ever.

    python3 tests/system/expiry_test.py SOURCE_DIR DIR_WITH_PROGRAMS

The clock of the server and of the clients is moved by libfaketime (Debian's package faketime); the server's waiting and
its fault points are its own.
"""
import glob
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

from support import SOURCE, Checks, Person, Programs, Server, opaline, people, wait_for

programs = Programs(sys.argv[2])

ANNA, BEN = "anna@example.org", "ben@example.org"
RETENTION = 30
EXPIRY_POINTS = [name for name in re.findall(r'^\s+"((?:store|vault)\.\w+)",', (SOURCE / "src/base/fault_point.hpp").read_text(), re.MULTILINE)
                 if re.search("expiry|destroy|day_dropped|after_overwrite", name)]
NOON = 43200 - int(time.time()) % 86400  # to be added, so that no midnight passes in the middle of a day's story
libraries = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
if not libraries:
    sys.exit("libfaketime is missing: apt-get install faketime (tools/setup does)")
check = Checks()


class World:
    """A server's directory, two homes, and what day it is for all of them."""

    def __init__(self, directory, clock):
        self.directory, self.clock, self.server = directory, clock, None
        self.anna, self.ben = (Person(name, handle, programs.opaline, None, directory) for name, handle in (("Anna", ANNA), ("Ben", BEN)))

    def today(self, day):
        self.clock.write_text(f"{day * 86400 + NOON:+d}")

    def start(self, day, fault=None):
        """On that day. None if the server did not start."""
        self.today(day)
        try:
            self.server = Server(programs.opalined, self.directory / "server", True, {"OPALINE_FAULT": fault} if fault else None)
        except RuntimeError:
            self.server = None
        self.anna.server = self.ben.server = self.server
        return self.server

    def die(self, day, fault):
        """Starts the server with a fault armed; whether it was killed there."""
        if self.start(day, fault):
            return self.server.process.wait(timeout=60) == -9
        return True

    def stop(self):
        code = self.server.stop()
        self.server = None
        return code

    def receive(self, who):
        return opaline(who, "receive", "--wait", "5").texts

    def send(self, text):
        return opaline(self.anna, "send", BEN, text).state == "sent"

    def walk(self, first, last):
        """The server runs a moment on every day: more than 2 days at once would be a jump of the clock."""
        for day in range(first, last + 1):
            self.start(day)
            self.stop()

    def expired_by(self, day):
        """Waits until the server has done that day's expiry: no key of a day that is over."""
        wait_for("the server to destroy what is over", lambda: all(number > self.epoch + day - RETENTION for number in self.day_keys()))

    def day_keys(self):
        return sorted(int(re.search(r"\d+", path.name)[0]) for path in (self.directory / "server" / "vault").glob("day-*.key"))

    def copy(self, name):
        """The same world once more, with homes that think so too."""
        shutil.copytree(self.directory, self.directory.parent / name, symlinks=True)
        world = World(self.directory.parent / name, self.clock)
        world.epoch = self.epoch
        return world


def begin(scratch):
    # For every program from here on; the file is read at each look at the clock, so that it can move under them.
    os.environ.update(LD_PRELOAD=libraries[0], FAKETIME_TIMESTAMP_FILE=str(scratch / "clock"), FAKETIME_NO_CACHE="1", FAKETIME_DONT_FAKE_MONOTONIC="1")
    world = World(scratch / "world", scratch / "clock")
    world.directory.mkdir()
    world.today(0)
    world.start(0)
    world.anna, world.ben = people(programs, world.server, world.directory, "Anna", "Ben")
    assert world.send("on day 0") and world.receive(world.ben) == ["on day 0"] and world.receive(world.anna) == []
    world.epoch = None
    return world


def files_with(directory, needle):
    return [path.name for path in directory.rglob("*") if path.is_file() and needle in path.read_bytes()]


with tempfile.TemporaryDirectory(prefix="opaline-expiry-") as scratch_name:
    scratch = pathlib.Path(scratch_name)
    world = begin(scratch)
    check(world.send("lost in time") and world.send("lost too"), "two messages wait for Ben, who is away")
    world.stop()
    (world.epoch,) = world.day_keys()
    key_file = world.directory / "server" / "vault" / f"day-{world.epoch}.key"
    key_bytes = key_file.read_bytes()[-48:]
    check(files_with(world.directory / "server", key_bytes) == [key_file.name], "the key of the day is in its file alone")
    old = world.copy("old")  # data and vault of day 0

    # The last day: still there. A message of day 29 is there to see that the living stay.
    world.walk(1, 28)
    world.start(29)
    check(world.server.metric("opaline_expiry_waits_for_operator") == 0, "the server trusts the clock")
    check(world.epoch in world.day_keys(), "on day 29 the key of day 0 is still there")
    check(world.send("young"), "on day 29 Anna writes again")
    world.stop()
    twin = world.copy("twin")
    twin.start(29)
    check(twin.receive(twin.ben) == ["lost in time", "lost too", "young"], "on day 29 all of it is delivered (in a twin of this world)")
    twin.stop()
    template = world.copy("template")

    # Over: served no more, key destroyed.
    world.start(30)
    world.expired_by(30)
    check(world.day_keys() == [world.epoch + 29], "on day 30 the key of day 0 is destroyed")
    check(not files_with(world.directory / "server", key_bytes), "no file of the server contains it")
    world.stop()
    bare = world.copy("bare")
    world.start(30)
    check(world.receive(world.ben) == ["young"], "Ben, back on day 30, gets what is young and nothing else")
    check(world.stop() == 0, "the server has shut down cleanly")

    # An old copy of the data files, brought back beside the vault of today, opens nothing that is over.
    shutil.rmtree(bare.directory / "server" / "data")
    shutil.copytree(old.directory / "server" / "data", bare.directory / "server" / "data", symlinks=True)
    if bare.start(30):
        got = bare.receive(bare.ben)
        check(got == [], f"the data files of day 0 beside the vault of day 30 bring back nothing: {got}")
        bare.stop()
    else:
        check(True, "a server with the data files of day 0 and the vault of day 30 does not start")

    # Dead in the middle of the expiry: the next start ends it, and nothing that is alive is hurt.
    for name in EXPIRY_POINTS:
        hurt = template.copy(f"hurt-{name}")
        killed = hurt.die(30, name)
        hurt.start(30)
        hurt.expired_by(30)
        check(killed and hurt.receive(hurt.ben) == ["young"] and not files_with(hurt.directory / "server", key_bytes), f"killed at {name}: expired at the next start, the young one delivered")
        hurt.stop()
        shutil.rmtree(hurt.directory)

    # A jump of the clock: nothing is destroyed until the operator says that it is right; nothing that is over is served.
    jumped = template.copy("jumped")
    jumped.start(29)
    jumped.today(60)
    jumped.stop()
    jumped.start(60)
    check(jumped.server.metric("opaline_expiry_waits_for_operator") == 1, "after a jump to day 60 destroying waits for the operator")
    check(jumped.epoch in jumped.day_keys(), "and the key of day 0 is still there")
    said = subprocess.run([programs.opalined, "--dev", jumped.directory / "server", "admin", "confirm-clock"], capture_output=True, text=True, timeout=60)
    check(said.returncode == 0, f"the operator confirms the clock: {said.stdout.strip()}{said.stderr.strip()}")
    jumped.expired_by(60)
    check(jumped.day_keys() == [], "then all is destroyed")
    check(jumped.receive(jumped.ben) == [], "and Ben gets nothing")
    jumped.stop()

check.end()
