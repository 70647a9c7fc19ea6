"""kill -9 in every step of `opaline recovery export` and `import`: typed again, the command does what it should have done, and there is one new device, not two.

    python3 tests/system/recovery_kill_test.py DIR_WITH_PROGRAMS [--all]
"""
import pathlib
import re
import shutil
import sys
import tempfile

from support import SOURCE, Checks, Person, Programs, Server, opaline, people, quietly
from walkthrough import link

programs = Programs(sys.argv[1])
EXPORT_POINTS = re.findall(r'^\s+"(recovery\.\w+)",', (SOURCE / "src/base/fault_point.hpp").read_text(), re.MULTILINE)
# The commits and frames of an import: keys made, the service's answer kept, history asked for, ...
IMPORT_POINTS = ("client.before_commit", "client.after_commit", "client.after_frames")
PASSES = range(1, 30) if "--all" in sys.argv else (1, 2, 3, 5)
ANNA, BEN = "anna@example.org", "ben@example.org"
check = Checks()


class World:
    """Anna with a phone and a laptop, Ben, and a recovery file."""

    def __init__(self, directory):
        self.directory, self.server = directory, None
        names = (("Anna", ANNA), ("Laptop", ANNA), ("Fresh", ANNA), ("Ben", BEN))
        self.phone, self.laptop, self.fresh, self.ben = (Person(name, handle, programs.opaline, None, directory) for name, handle in names)
        self.file = directory / "anna.recovery"
        self.options = ["--recovery-passphrase-file", directory / "secret"]

    def start(self):
        self.server = Server(programs.opalined, self.directory / "server", True)
        for who in (self.phone, self.laptop, self.fresh, self.ben):
            who.server = self.server
        return self

    def stop(self):
        assert self.server.stop() == 0

    def twin(self, name):
        shutil.copytree(self.directory, self.directory.parent / name, symlinks=True)
        return World(self.directory.parent / name).start()

    def export(self, *options, **more):
        return opaline(self.phone, "recovery", "export", self.file, *options, *self.options, **more)

    def restore(self, options=None, **more):
        return opaline(self.fresh, "--ca", self.server.directory / "ca.pem", "recovery", "import", self.file, *(options or self.options), **more)

    def is_whole(self):
        """Whether the recovery file is one: then it is the wrong passphrase that does not open it."""
        done = self.restore(["--recovery-passphrase-file", self.directory / "wrong"])
        return done.lines[-1]["error"] == "wrong_passphrase"


def begin(directory):
    directory.mkdir()
    (directory / "secret").write_text("correct horse battery\n")
    (directory / "wrong").write_text("incorrect horse battery\n")
    world = World(directory).start()
    people(programs, world.server, directory, "Anna", "Ben")
    quietly(link, world.phone, world.laptop, lambda *_: None, "--name", "laptop")
    for who, to, text in ((world.ben, ANNA, "hello"), (world.phone, BEN, "hi")):
        assert opaline(who, "send", to, text).code == 0
    for who in (world.phone, world.laptop, world.ben, world.phone):
        assert opaline(who, "receive").code == 0
    assert world.export().code == 0
    return world


def texts(who):
    return sorted(line["text"] for line in opaline(who, "history").lines if line["event"] == "message")


def exported(_, world):
    """Export: there is the whole file or none, and nothing of a killed one is in the way"""
    world.file.unlink()
    for force in ((), ("--force",)):
        for point in EXPORT_POINTS:
            before = world.file.read_bytes() if world.file.exists() else None
            check(world.export(*force, fault=point).code == -9, f"killed at {point} {' '.join(force)}")
            named = point == "recovery.after_name"
            now = world.file.read_bytes() if world.file.exists() else None
            check((now != before and world.is_whole()) if named else now == before, "what has the file's name is " + ("the new one" if named else "what it was before"))
            if not force and named:
                world.file.unlink()
            done = world.export(*force)
            check(done.code == 0 and world.is_whole(), f"typed again, it is written {'' if done.code == 0 else done}")
            check([path.name for path in world.directory.glob("anna.recovery*")] == ["anna.recovery"], "and nothing else is left")
            if not force:
                world.file.unlink()
        assert world.export(*force).code == 0
    other = pathlib.Path(str(world.file) + ".new")
    other.write_text("somebody's own")
    done = world.export("--force")
    check(done.code == 1 and str(other) in done.said and other.read_text() == "somebody's own", "a file of somebody's that has the name in between is not touched")
    other.unlink()


def imported(_, template):
    """Import: typed again it goes on, or says that it was done; one new device, nothing lost"""
    template.stop()
    for point in IMPORT_POINTS:
        reached = 0
        for nth in PASSES:
            world = template.twin(f"{point}-{nth}")
            if world.restore(fault=f"{point}:{nth}").code != -9:
                world.stop()
                break
            reached += 1
            again = world.restore()
            done = again.code == 0 or again.lines[-1].get("error") == "registered"
            for who in (world.fresh, world.laptop, world.fresh, world.laptop, world.fresh):
                opaline(who, "receive")
            devices = [(line["device"], line["primary"], line["this_device"]) for line in opaline(world.fresh, "devices").lines]
            alone = devices == [(2, False, False), (3, True, True)]
            gone = opaline(world.phone, "receive").lines[-1].get("error") == "removed"
            told = opaline(world.ben, "send", ANNA, "are you there?").code == 0
            for who in (world.fresh, world.laptop):
                opaline(who, "receive")
            wrote = opaline(world.fresh, "send", BEN, "again").code == 0
            for who in (world.laptop, world.ben, world.fresh, world.laptop, world.ben, world.fresh):  # Ben is told of the list, and adds what it lacks
                opaline(who, "receive")
            expected = ["again", "are you there?", "hello", "hi"]
            have = [texts(who) for who in (world.fresh, world.laptop, world.ben)]
            alarms = [line for line in opaline(world.ben, "history").lines if line.get("notice") in ("identity_changed", "list_forked", "list_rolled_back")]
            right = done and alone and gone and told and wrote and have == [expected] * 3 and not alarms
            check(right, f"{point}:{nth}" + ("" if right else f": {again} {devices} {gone} {told} {wrote} {have} {alarms}"))
            world.stop()
            shutil.rmtree(world.directory)
        check(reached >= 2, f"{point} was reached {reached} times")


with tempfile.TemporaryDirectory(prefix="opaline-recovery-kill-") as scratch:
    template = begin(pathlib.Path(scratch) / "template")
    check.case(exported, template)
    check.case(imported, template)
check.end()
