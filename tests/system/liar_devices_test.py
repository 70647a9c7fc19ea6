"""A server patched to lie about devices, against real clients: it adds, hides, forks and swaps, withholds and replays, and stands between devices that are linked.

    python3 tests/system/liar_devices_test.py DIR_WITH_PROGRAMS LYING_SERVER [CASE ...]

Which lies it tells is in a file (lies/liar.hpp).
"""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

from support import Checks, Following, Person, Programs, Server, opaline, people, quietly, wait_for
from walkthrough import lines_until, link

programs, liar = Programs(sys.argv[1]), sys.argv[2]
ANNA, BEN, CARA = "anna@example.org", "ben@example.org", "cara@example.org"
HANDLES = {"Anna": ANNA, "Ben": BEN, "Tablet": BEN, "Laptop": BEN, "Cara": CARA}
ALARMS = {"identity_changed", "list_rolled_back", "list_forked", "list_unsigned", "own_list_forged"}
PIPES = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
checks = Checks()


def check(right, text, *seen):
    checks(right, text if right else f"{text}: {seen}")


def do_nothing(*_):
    """The walkthrough's link() counts by itself; what matters is checked afterwards."""


class World:
    """Anna, Ben with phone, tablet and laptop (devices 1 to 3), and Cara; a server that lies as it is told."""

    def __init__(self, directory, accounts=None):
        self.directory, self.server, self.accounts, self.telling = directory, None, accounts or {}, ()
        self.everybody = [Person(name, handle, programs.opaline, None, directory) for name, handle in HANDLES.items()]
        self.anna, self.ben, self.tablet, self.laptop, self.cara = self.everybody
        self.bens = (self.ben, self.tablet, self.laptop)

    def start(self):
        self.server = Server(liar, self.directory / "server", True, {"OPALINE_LIES": str(self.directory / "lies")})
        for who in self.everybody:
            who.server = self.server
        return self

    def stop(self):
        self.lie()
        assert self.server.stop() == 0

    def twin(self, name):
        """A copy of a stopped world, started."""
        shutil.copytree(self.directory, self.directory.parent / name, symlinks=True)
        return World(self.directory.parent / name, self.accounts).start()

    def lie(self, *lies):
        """From now on; none: the truth. What was to be told until now was told, else nothing of it was tested."""
        told = (self.directory / "told").read_text().split() if (self.directory / "told").exists() else []
        for each in self.telling:
            assert each[0] in told, f"the lie `{each[0]}` was never told"
        self.telling = lies
        (self.directory / "told").write_text("")
        (self.directory / "lies").write_text("".join(" ".join(map(str, each)) + "\n" for each in lies))

    def list_of_ben(self, number):
        return self.directory / f"list-{self.accounts[BEN]}-{number}"

    def person(self, name, handle=BEN):
        return Person(name, handle, programs.opaline, self.server, self.directory)


def receive(*everybody):
    """What each is shown by one `receive`, in the end that of the last one."""
    for who in everybody:
        done = opaline(who, "receive", "--wait", "2")
        assert done.code == 0, f"{who.name}: {done}"
    return [line["text"] for line in done.lines if line.get("event") == "message" and line["direction"] == "in"]


def send(who, to, text):
    """(state, reason)"""
    done = opaline(who, "send", to, text, "--wait", "2")
    return (done.lines[-1] if done.lines else {}).get("state"), (done.lines[-1] if done.lines else {}).get("reason")


def lines(who, key, direction=None):
    return [line[key] for line in opaline(who, "history", "--limit", "1000").lines if key in line and direction in (None, line.get("direction"))]


def texts(who):
    """What this device has of what others wrote."""
    return lines(who, "text", "in")


def alarms(who):
    return [each for each in lines(who, "notice") if each in ALARMS]


def each_has(devices, text):
    return all(texts(who).count(text) == 1 for who in devices)


def remove(primary, number):
    done = opaline(primary, "devices", "remove", str(number), "--yes")
    assert done.code == 0, done


def watched(who, text, act):
    """Notices that `receive --follow` shows, from before `act` until it has shown `text`."""
    watching = Following(who)
    act()
    wait_for(f"{who.name} to see {text}", lambda: text in watching.texts or watching.process.poll() is not None)
    code = watching.stop()
    check(code == 0, f"{who.name} watches", code, watching.lines)
    return [line["notice"] for line in watching.lines if line["event"] == "notice"]


def begin(directory):
    directory.mkdir()
    world = World(directory).start()
    people(programs, world.server, directory, "Anna", "Ben", "Cara")
    for who in (world.tablet, world.laptop):
        quietly(link, world.ben, who, do_nothing, "--name", who.name.lower())
    world.accounts.update({who.handle: opaline(who, "account").lines[-1]["account"] for who in (world.anna, world.ben, world.cara)})
    assert send(world.anna, BEN, "hello")[0] == "sent" and receive(world.ben) == ["hello"]
    for who, text in ((world.ben, "hi"), (world.tablet, "hi from the tablet"), (world.laptop, "hi from the laptop")):
        receive(who)
        assert send(who, ANNA, text)[0] == "sent" and receive(world.anna) == [text], text
    receive(*world.bens, world.anna)
    assert not any(alarms(who) for who in world.everybody[:4])
    world.stop()
    return world


def added_unsigned(_, template):
    """A device more in Ben's list, which the account key has not signed"""
    world = template.twin("unsigned")
    world.lie(("add", "*", world.accounts[BEN], "account"))
    waits = send(world.cara, BEN, "new here")
    check(waits == ("queued", "directory_unavailable"), "a newcomer's message waits, and she is told why", waits)
    remove(world.ben, 3)
    state = send(world.anna, BEN, "for Ben's devices")
    receive(world.ben, world.tablet)
    check(state[0] == "sent" and each_has((world.ben, world.tablet), "for Ben's devices"), "Anna, who knows Ben, writes on, and his devices get it", state)
    check(lines(world.anna, "notice") == ["first_contact", "list_unsigned"], "what is not signed is no list: she has followed none, and reads that the server shows one", lines(world.anna, "notice"))
    check(alarms(world.cara) == ["list_unsigned"], "as does the newcomer", alarms(world.cara))
    world.lie()
    receive(world.cara, world.ben, world.tablet)
    check(each_has((world.ben, world.tablet), "new here"), "once the server tells the truth the newcomer's message arrives, once")
    world.stop()


def added_foreign(_, template):
    """A device more in Ben's list, signed by an account key that is not his"""
    world = template.twin("foreign")
    world.lie(("add", "*", world.accounts[BEN], "own"))
    remove(world.ben, 3)
    send(world.anna, BEN, "one")  # the laptop is gone, so the list is asked for
    waits = send(world.anna, BEN, "two")
    check(waits == ("queued", "identity_changed"), "Anna sends nothing more, and is told why", waits)
    check(alarms(world.anna) == ["identity_changed"], "she sees one alarm", alarms(world.anna))
    receive(world.ben, world.tablet)
    check(each_has((world.ben, world.tablet), "one") and "two" not in texts(world.ben), "Ben's devices have what she wrote before")
    send(world.cara, BEN, "new here")
    receive(world.ben, world.cara, world.ben, world.cara)
    check("new here" in texts(world.ben), "a newcomer takes the list for Ben's: her message reaches the device of his that she was shown")
    check(alarms(world.cara) == ["identity_changed"], "and it tells her that she was deceived: she sees one alarm", alarms(world.cara))
    waits = send(world.cara, BEN, "really?")
    check(waits == ("queued", "identity_changed"), "and nothing of hers goes out until she has accepted who Ben is", waits)
    world.stop()


def forked(_, template):
    """Two lists with one number, both signed by Ben: his phone was restored from a copy, and both were used"""
    copy = template.twin("fork-copy")
    remove(copy.ben, 2)
    copy.stop()
    world = template.twin("fork")
    remove(world.ben, 3)
    check(send(world.anna, BEN, "to whom it was")[0] == "sent", "Anna has the list without the laptop")
    world.lie(("list", world.accounts[CARA], world.accounts[BEN], copy.list_of_ben(4)))
    events = watched(world.ben, "new here", lambda: send(world.cara, BEN, "new here"))
    check("own_list_forged" in events, "Cara is shown the one without the tablet: by her first message Ben's phone learns of it, and warns him", events)
    check(events.count("own_list_forged") == 1, "once", events)
    told = [line["peer"] for line in opaline(world.ben, "history").lines if line.get("notice") == "own_list_forged"]
    check(told in ([CARA], [world.accounts[CARA]]), "and names her, who says so; it stays in the history", told)
    check(not alarms(world.anna), "Anna, who was shown nothing of it, sees nothing")
    world.lie()
    state = send(world.tablet, CARA, "from the tablet")
    receive(world.cara)
    check(state[0] == "sent" and "from the tablet" not in texts(world.cara), "what a device says that her list does not have is not shown", state, texts(world.cara))
    check(alarms(world.cara) == ["list_forked"], "but tells her that there are two lists: she sees one alarm", alarms(world.cara))
    world.stop()


def withheld(_, template):
    """A device that Anna is never told of: she is served the old list"""
    world = template.twin("withheld")
    fourth = world.person("Fourth")
    world.lie(("list", world.accounts[ANNA], world.accounts[BEN], world.list_of_ben(3)))
    quietly(link, world.ben, fourth, do_nothing, "--name", "fourth")
    check(send(world.anna, BEN, "for all four")[0] == "sent", "Anna writes to the three that she knows")
    for _ in range(2):
        receive(*world.bens, world.anna)
    check(each_has(world.bens, "for all four") and "list_rolled_back" in alarms(world.anna), "they have it and tell her of the fourth: she sees that the directory hides something",
          alarms(world.anna))
    receive(fourth)
    check("for all four" not in texts(fourth), "(without the directory she has no keys of it)")
    world.lie()
    for _ in range(2):
        receive(world.anna, *world.bens, fourth)
    check(each_has((*world.bens, fourth), "for all four"), "once it is told of, what it lacks is added, once", texts(fourth))
    send(world.anna, BEN, "and this")
    receive(*world.bens, fourth, world.anna)
    check(each_has((*world.bens, fourth), "and this") and alarms(world.anna) == ["list_rolled_back"], "and they write on, with one alarm in all", alarms(world.anna))
    world.stop()


def swapped(_, template):
    """The directory gives keys, or mailbox and send token, of one of Ben's devices for another's"""
    for what, reason in (("keys", "no_prekeys"), ("mailboxes", "directory_unavailable")):
        world = template.twin("swap-" + what)
        world.lie(("swap", world.accounts[BEN], what))
        waits = send(world.cara, BEN, "new here")
        check(waits == ("queued", reason), f"{what}: a newcomer's message waits for the two, and she is told why", waits)
        receive(*world.bens, world.cara)
        check(each_has([world.laptop], "new here") and not any("new here" in texts(who) for who in (world.ben, world.tablet)), f"{what}: the third device has it")
        check(send(world.anna, BEN, "known here")[0] == "sent" and receive(*world.bens) is not None and each_has(world.bens, "known here"), f"{what}: Anna, who has sessions, writes on")
        world.lie()
        receive(world.cara, *world.bens, world.cara)
        check(each_has(world.bens, "new here"), f"{what}: once it tells the truth all three have it, once")
        check(not any(alarms(who) for who in world.everybody), f"{what}: a lie about no list is no alarm")
        world.stop()


def mail(_, template):
    """Mail of one device of three is reordered, repeated, given to another, and lost"""
    world = template.twin("mail")
    phone, tablet, laptop = (f"{world.accounts[BEN]}/{number}" for number in (1, 2, 3))
    receive(*world.bens)  # the server learns which mailbox is whose
    world.lie(("reverse", tablet))
    wrote = ["one", "two", "three"]
    for text in wrote:
        assert send(world.anna, BEN, text)[0] == "sent"
    got = receive(world.tablet)
    check(sorted(got) == sorted(wrote), "in another order: each is shown, once", got)
    late = [line["text"] for line in opaline(world.tablet, "history").lines if line.get("late")]
    check(late == ["two", "one"], "and what came after a later one is marked", late, texts(world.tablet))
    receive(world.ben, world.laptop, world.anna)
    for lie, text in ((("replay", phone), "everything once more"), (("deliver", laptop, phone), "what was for the laptop"), (("deliver", tablet, phone), "and for the tablet")):
        world.lie(lie)
        before = texts(world.ben)
        check(receive(world.ben) == [] and texts(world.ben) == before, f"{text} is delivered to the phone: it shows nothing")
    world.lie()
    receive(world.anna, *world.bens, world.anna)
    check(each_has(world.bens, "two") and not any(alarms(who) for who in world.everybody), "nobody sees an alarm")
    healed = {who.name: lines(who, "notice").count("session_healed") for who in world.everybody[:4]}
    check(max(healed.values()) <= 1, "nor more than one line", healed)
    world.lie(("drop", laptop))
    for text in ("lost", "lost, too"):
        assert send(world.anna, BEN, text)[0] == "sent"
    receive(*world.bens)
    check("lost" not in texts(world.laptop) and each_has((world.ben, world.tablet), "lost"), "two are lost on their way to the laptop")
    world.lie()
    send(world.anna, BEN, "after the loss")
    for _ in range(2):
        receive(world.laptop, world.ben, world.tablet)
    check(all(each_has(world.bens, text) for text in ("lost", "lost, too", "after the loss")), "with the next one the laptop knows, and another of Ben's devices gives it what it missed", texts(world.laptop))
    world.stop()


def forgotten(_, template):
    """A change of Ben's list that the server has said yes to, and forgotten"""
    world = template.twin("forgotten")
    world.lie(("forget", world.accounts[BEN]))
    remove(world.ben, 3)
    check(opaline(world.laptop, "receive").code == 0, "the laptop, removed, is served on")
    events = watched(world.ben, "after it", lambda: send(world.anna, BEN, "after it"))
    check(events.count("own_list_forged") == 1, "Ben's phone sees the older list, and warns him, once", events)
    for _ in range(2):
        receive(world.anna, world.ben, world.tablet)
    check(lines(world.anna, "notice").count("device_list_changed") == 1 and not alarms(world.anna), "Anna hears of the change from the phone itself", lines(world.anna, "notice"))
    check(send(world.anna, BEN, "not for the laptop")[0] == "sent", "she writes")
    receive(*world.bens)
    check(each_has((world.ben, world.tablet), "not for the laptop") and "not for the laptop" not in texts(world.laptop), "and the laptop, which the server still serves, hears nothing new")
    world.stop()


def shown_old(_, template):
    """An older list of Ben's, shown to his own devices"""
    world = template.twin("shown-old")
    remove(world.ben, 3)
    receive(world.tablet)
    world.lie(("list", world.accounts[BEN], world.accounts[BEN], world.list_of_ben(2)))
    for who in (world.ben, world.tablet):
        events = watched(who, f"to {who.name}", lambda text=f"to {who.name}": send(world.anna, BEN, text))
        check(events.count("own_list_forged") == 1, f"{who.name}: it warns him, once", events)
        check(len(opaline(who, "devices").lines) == 2, "and goes by the list that it knows")
    world.stop()


def begin_link(world, who):
    ca = str(world.server.directory / "ca.pem")
    process = subprocess.Popen(who.command + ["--json", "--server", world.server.url, "--ca", ca, "link"], **PIPES)
    return process, lines_until(process, "link_code")[-1]


def begin_add(world, who, what, *options):
    return subprocess.Popen(who.command + ["--json", "--server", world.server.url, "devices", "add", what, *options], **PIPES)


def end(*processes, say=""):
    """Exit codes, and the errors that were said."""
    out = []
    for each in processes:
        printed, _ = each.communicate(say, timeout=120)
        out.append((each.returncode, [json.loads(line).get("error") for line in printed.splitlines() if '"error"' in line]))
    return out


def linked_elsewhere(_, template):
    """A code that leads to a device of the server's own"""
    world = template.twin("link-code")
    true, shown = begin_link(world, world.person("New"))
    false, other = begin_link(world, world.person("Mallory"))
    world.lie(("join", other["number"]))
    done = end(begin_add(world, world.ben, shown["code"], "--yes"))
    check(done == [(1, ["link_failed"])], "it is not the device that showed the code: Ben's phone stops, and says so", done)
    true.kill(), false.kill()
    check(len(opaline(world.ben, "devices").lines) == 3, "and the list is what it was")
    world.stop()


def linked_between(_, template):
    """The server stands between, with a device and an account of its own on both sides"""
    world = template.twin("link-number")
    (mallory,) = people(programs, world.server, world.directory, "Mallory")
    true, shown = begin_link(world, world.person("New"))
    false, other = begin_link(world, world.person("False"))
    second = begin_add(world, mallory, shown["number"])
    digits = [lines_until(each, "link_digits")[-1]["digits"] for each in (true, second)]
    check(digits[0] == digits[1], "the new device is joined by the server's own, and shows digits")
    world.lie(("join", other["number"]))
    old = begin_add(world, world.ben, shown["number"])
    others = [lines_until(each, "link_digits")[-1]["digits"] for each in (old, false)]
    check(others[0] == others[1] and others[0] != digits[0], "Ben's phone shows other digits than the device before him", digits, others)
    done = end(old, true, say="no\n")
    check([code for code, _ in done] == [1, 1], "he says no on both", done)
    end(second, false, say="yes\nyes\n")
    check(len(opaline(world.ben, "devices").lines) == 3, "and the list is what it was")
    world.stop()


def linked_damaged(_, template):
    """One bit of what a new device says is another one"""
    world = template.twin("link-flip")
    world.lie(("flip",))
    for what in ("code", "number"):
        true, shown = begin_link(world, world.person("New" + what))
        done = end(begin_add(world, world.ben, shown[what]), say="yes\nyes\n")
        check(done[0][0] == 1 and len(done[0][1]) == 1, f"by {what}: Ben's phone stops, and says so", done)
        true.kill()
    check(len(opaline(world.ben, "devices").lines) == 3, "and the list is what it was")
    world.stop()


CASES = [added_unsigned, added_foreign, forked, withheld, swapped, mail, forgotten, shown_old, linked_elsewhere, linked_between, linked_damaged]

with tempfile.TemporaryDirectory(prefix="opaline-liar-devices-") as scratch:
    template = begin(pathlib.Path(scratch) / "template")
    for case in CASES:
        if case.__name__ in sys.argv[3:] or not sys.argv[3:]:
            checks.case(case, template)
checks.end()
