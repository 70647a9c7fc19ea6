"""The server is lost, and `opalined restore` brings back a backup from before people's devices changed: nothing that is still somewhere is lost, who was removed stays out, and who is not known any more is told what to do.

    python3 tests/system/set_back_test.py DIR_WITH_PROGRAMS [CASE ...]

The device lists that the backup does not have come back from the devices themselves (src/endpoint/set_back_test.cpp has the same one level below).
"""
import pathlib
import shutil
import subprocess

from support import Person, Server, opaline, people, quietly, run_cases
from walkthrough import link

ANNA, BEN = "anna@example.org", "ben@example.org"
HANDLES = {"Anna": ANNA, "Ben": BEN, "Tablet": BEN, "Laptop": BEN, "Cara": "cara@example.org"}
ALARMS = {"identity_changed", "list_rolled_back", "list_forked", "list_unsigned", "own_list_forged", "verify_again"}


def do_nothing(*_):
    """The walkthrough's link() counts by itself; what matters is checked afterwards."""


class World:
    """Anna and Cara; Ben with phone, tablet and laptop (devices 1 to 3); a backup of that; a recovery file's place."""

    def __init__(self, programs, directory):
        self.programs, self.directory, self.server = programs, directory, None
        self.everybody = [self.person(name, handle) for name, handle in HANDLES.items()]
        self.anna, self.phone, self.tablet, self.laptop, self.cara = self.everybody
        self.secret = ["--passphrase-file", directory / "secret"]

    def person(self, name, handle=BEN):
        return Person(name, handle, self.programs.opaline, self.server, self.directory)

    def start(self):
        self.server = Server(self.programs.opalined, self.directory / "server", True)
        for who in self.everybody:
            who.server = self.server
        return self

    def stop(self):
        assert self.server.stop() == 0

    def twin(self, name):
        """A copy of a stopped world, started."""
        shutil.copytree(self.directory, self.directory.parent / name, symlinks=True)
        return World(self.programs, self.directory.parent / name).start()

    def opalined(self, *arguments):
        subprocess.run([self.programs.opalined, "--dev", self.directory / "server", *arguments, *self.secret], check=True, stdout=subprocess.DEVNULL)

    def lose_server(self):
        """kill -9, both directories gone, and the backup in their place."""
        self.server.process.kill()
        self.server.process.wait()
        for name in ("data", "vault"):
            shutil.rmtree(self.directory / "server" / name)
        self.opalined("restore", self.directory / "backup")
        self.start()

    def link(self, name, *options):
        who = self.person(name)
        quietly(link, self.phone, who, do_nothing, "--name", name.lower(), *options)
        self.everybody.append(who)
        return who


def receive(*everybody):
    """What each is shown by one `receive`, in the end that of the last one."""
    for who in everybody:
        done = opaline(who, "receive", "--wait", "2")
        assert done.code == 0, f"{who.name}: {done}"
    return [line["text"] for line in done.lines if line.get("event") == "message" and line["direction"] == "in"]


def error(who, *arguments):
    """What a command that fails says: (error, message)."""
    done = opaline(who, *arguments)
    line = done.lines[-1] if done.code == 1 and done.lines else {}
    return line.get("error"), line.get("message", "")


def send(who, to, text):
    done = opaline(who, "send", to, text, "--wait", "5")
    return next(((line["state"], line.get("reason")) if line["state"] == "queued" else line["state"] for line in done.lines if line.get("text") == text), done)


def remove(primary, number):
    done = opaline(primary, "devices", "remove", str(number), "--yes")
    assert done.code == 0, done


def lines(who, key, peer=None):
    return [line[key] for line in opaline(who, "history", *([peer] if peer else []), "--limit", "1000").lines if key in line]


def each_has(devices, text):
    return all(lines(who, "text").count(text) == 1 for who in devices)


def alarms(*everybody):
    return {who.name: found for who in everybody if (found := [each for each in lines(who, "notice") if each in ALARMS])}


def devices(who):
    return {line["device"]: line.get("forgotten", False) for line in opaline(who, "devices").lines}


def everywhere(check, anna, bens, what):
    """Text in every direction: each of Ben's devices and Anna, everything on all of them, once."""
    said = []
    for who, to in ((anna, BEN), *((each, ANNA) for each in bens)):
        said.append(f"{who.name}, {what}")
        state = send(who, to, said[-1])
        check(state in ("sent", "delivered", "read"), f"{said[-1]}: {state}")
    for _ in range(2):
        receive(*bens, anna)
    missing = [(who.name, text) for who in (anna, *bens) for text in said if lines(who, "text").count(text) != 1]
    check(not missing, f"{what}: everything is on all {len(bens) + 1}, once {missing or ''}")


def no_alarm(check, world, *told):
    """Contacts see none; those of Ben's devices that saw the older list say so."""
    seen = alarms(*world.everybody)
    check(set(seen) == {who.name for who in told} and all(set(kinds) == {"own_list_forged"} for kinds in seen.values()), f"no contact sees an alarm: {seen}")


def begin(programs, directory):
    directory.mkdir()
    (directory / "secret").write_text("correct horse battery\n")
    world = World(programs, directory).start()
    people(programs, world.server, directory, "Anna", "Ben", "Cara")
    for who in (world.tablet, world.laptop):
        quietly(link, world.phone, who, do_nothing, "--name", who.name.lower())
    bens = (world.phone, world.tablet, world.laptop)
    for who in (world.anna, world.cara):
        assert send(who, BEN, f"hello from {who.name}") == "sent"
        for each in bens:
            receive(each)
            assert send(each, who.handle, f"hello {who.name}, from my {each.name}") == "sent"
            receive(who)
    receive(*bens, world.anna, world.cara)
    world.opalined("backup", directory / "backup")
    assert not alarms(*world.everybody)
    world.stop()
    return world


def mail_under_way(check, world, *others):
    """Messages that are at the server alone on their way to somebody, and are lost there. `others`: who comes in between."""
    check(send(world.anna, BEN, "to be lost on the way to the laptop") == "sent", "Anna has written, and so has Ben; the server has it")
    receive(world.phone, *others)
    check(send(world.phone, ANNA, "to be lost on the way to Anna") == "sent", "and is lost")


def nothing_lost(check, world, *bens):
    for text in ("to be lost on the way to the laptop", "to be lost on the way to Anna"):
        have = [who.name for who in (world.anna, *bens) if lines(who, "text").count(text) == 1]
        check(len(have) == len(bens) + 1, f"'{text}' is on all devices, once: {have}")


def removed(check, template):
    """A device was removed after the backup, and is the first to come to the restored server"""
    world = template.twin("removed")
    remove(world.phone, 2)
    receive(world.laptop, world.anna)
    mail_under_way(check, world)
    world.lose_server()
    check(receive(world.tablet) == [], "the removed tablet is let in, and finds nothing")
    check(send(world.anna, BEN, "not for the tablet") in ("sent", "queued"), "Anna, who knows of the removal, writes")
    check(receive(world.tablet) == [], "the tablet gets nothing of it")
    receive(world.phone)
    code, said = error(world.tablet, "receive")
    check(code == "removed", f"as soon as the phone has been there, the server knows of the removal, too: {said}")
    everywhere(check, world.anna, (world.phone, world.laptop), "after it")
    nothing_lost(check, world, world.phone, world.laptop)
    check(each_has((world.anna, world.phone, world.laptop), "not for the tablet"), "what she wrote is on all others")
    check("not for the tablet" not in lines(world.tablet, "text"), "and not on the tablet")
    no_alarm(check, world, world.phone)
    world.stop()


def phone_first(check, template):
    """A device was removed after the backup; the phone comes first to the restored server"""
    world = template.twin("phone-first")
    remove(world.phone, 2)
    receive(world.laptop, world.anna)
    mail_under_way(check, world)
    world.lose_server()
    receive(world.phone)
    check(error(world.tablet, "receive")[0] == "removed", "the removed tablet is not let in")
    check(send(world.cara, BEN, "from somebody who knew nothing of it") == "sent", "Cara, who was never told of it, writes")
    everywhere(check, world.anna, (world.phone, world.laptop), "after it")
    nothing_lost(check, world, world.phone, world.laptop)
    receive(world.cara)
    check(each_has((world.phone, world.laptop), "from somebody who knew nothing of it"), "hers is on both")
    no_alarm(check, world, world.phone)
    world.stop()


def linked(check, template):
    """A device was removed and another linked after the backup"""
    world = template.twin("linked")
    remove(world.phone, 2)
    watch = world.link("Watch")
    bens = (world.phone, world.laptop, watch)
    everywhere(check, world.anna, bens, "before it")
    mail_under_way(check, world, watch)
    world.lose_server()
    code, said = error(watch, "receive")
    check(code == "removed" and "opaline link" in said and "restored from a copy" in said, f"the watch, which the server does not know, is told what to do: {said}")
    check(each_has((watch,), "to be lost on the way to the laptop"), "what it has is still on it")
    receive(world.phone)
    check(error(world.tablet, "receive")[0] == "removed", "the tablet is out again")
    receive(world.laptop)
    for who in (world.phone, world.laptop):
        check(devices(who) == {1: False, 3: False, 4: True}, f"{who.name}: `opaline devices` says that the watch is forgotten: {devices(who)}")
    check(send(world.anna, BEN, "while the watch is out") in ("sent", "queued"), "Anna writes")
    remove(world.phone, 4)
    again = world.link("Watch-again", "--with-history")
    bens = (world.phone, world.laptop, again)
    everywhere(check, world.anna, bens, "after it")
    nothing_lost(check, world, *bens)
    check(each_has((world.anna, *bens), "while the watch is out"), "and what she wrote meanwhile")
    check(devices(world.laptop) == {1: False, 3: False, 5: False}, "all know the new list")
    no_alarm(check, world, world.phone, world.laptop)
    world.stop()


def recovered(check, template):
    """A device was linked after the backup, the phone wrote a recovery file, and was lost with the server"""
    world = template.twin("recovered")
    watch = world.link("Watch")
    receive(world.laptop, world.tablet, world.anna)
    file = [world.directory / "recovery.file", "--recovery-passphrase-file", world.directory / "secret"]
    assert opaline(world.phone, "recovery", "export", *file).code == 0
    mail_under_way(check, world)
    world.lose_server()
    fresh = world.person("Fresh")
    done = opaline(fresh, "--ca", world.server.directory / "ca.pem", "recovery", "import", *file)
    said = next((line for line in done.lines if line["event"] == "recovered"), done)
    check(done.code == 0 and said["forgotten"] == [4], f"a new home takes the phone's place, and the server the file's list; the watch is to be linked again: {said}")
    receive(world.laptop)
    for who in (world.laptop, fresh):
        check(devices(who) == {2: False, 3: False, 5: False}, f"{who.name} knows who is left: {devices(who)}")
    for who in (world.phone, watch):
        check(error(who, "receive")[0] == "removed", f"{who.name} is out")
    bens = (world.tablet, world.laptop, fresh)
    everywhere(check, world.anna, bens, "after it")
    check(each_has((world.anna, world.tablet, world.laptop), "to be lost on the way to the laptop"), "what Anna wrote is on all devices that it was for")
    no_alarm(check, world)
    world.stop()


CASES = {case.__name__: case for case in (removed, phone_first, linked, recovered)}
run_cases("set-back", CASES, lambda programs, scratch: (begin(programs, pathlib.Path(scratch) / "template"),))
