"""A server that lies, against real clients: it swaps keys, rolls itself back and replays. Promises 10 and 11.

    python3 tests/system/liar_test.py SOURCE_DIR DIR_WITH_PROGRAMS LYING_DIRECTORY

The lies are told by a real server: lying_directory changes its rows while it is stopped, or an old copy of its files is
brought back.
"""
import pathlib
import shutil
import subprocess
import sys
import tempfile

from support import Checks, Person, Programs, Server, opaline, people
from walkthrough import link

lying_directory, programs = sys.argv[3], Programs(sys.argv[2])
ANNA, BEN = "anna@example.org", "ben@example.org"
checks = Checks()


def check(right, text, *seen):
    checks(right, text if right else f"{text}: {seen}")


class World:
    def __init__(self, directory):
        self.directory, self.server = directory, None
        self.anna, self.ben = (Person(name, handle, programs.opaline, None, directory) for name, handle in (("Anna", ANNA), ("Ben", BEN)))
        self.mallory = Person("Mallory", BEN, programs.opaline, None, directory)

    def start(self):
        self.server = Server(programs.opalined, self.directory / "server", True)
        self.anna.server = self.ben.server = self.mallory.server = self.server

    def stop(self):
        assert self.server.stop() == 0

    def twin(self, name):
        """A copy of a stopped world."""
        shutil.copytree(self.directory, self.directory.parent / name, symlinks=True)
        return World(self.directory.parent / name)

    def lie(self, mode):
        url, authority = "https://localhost:1", self.directory / "server" / "ca.pem"
        subprocess.run([lying_directory, mode, self.directory / "server", BEN, self.mallory.home, url, authority], check=True)

    def receive(self, who):
        done = opaline(who, "receive", "--wait", "5")
        assert done.code == 0, done
        return [line["text"] for line in done.lines if line.get("event") == "message" and line["direction"] == "in"]

    def send(self, who, to, text):
        """(exit code, state, reason)"""
        done = opaline(who, "send", to, text, "--wait", "5")
        last = done.lines[-1] if done.lines else {}
        return done.code, last.get("state"), last.get("reason")

    def history(self, who, key, direction=None):
        return [line[key] for line in opaline(who, "history", "--limit", "1000").lines if key in line and direction in (None, line.get("direction"))]

    def number(self, who, of):
        done = opaline(who, "verify", of)
        return done.lines[-1] if done.lines else {}


def begin(directory):
    directory.mkdir()
    world = World(directory)
    world.start()
    world.anna, world.ben = people(programs, world.server, directory, "Anna", "Ben")
    assert world.send(world.anna, BEN, "hello")[1] == "sent" and world.receive(world.ben) == ["hello"]
    assert world.send(world.ben, ANNA, "hi")[1] == "sent" and world.receive(world.anna) == ["hi"]
    opaline(world.anna, "verify", BEN, "--confirm")
    world.stop()
    return world


def swapped(_, template):
    """Another account key, device and mailbox in the place of Ben's."""
    world = template.twin("swap")
    world.start()
    before = world.number(world.anna, BEN)
    check(before.get("verified") is True, "Anna has verified Ben", before)
    world.stop()
    world.lie("swap")
    world.start()
    code, state, reason = world.send(world.anna, BEN, "for Ben alone")
    check((code, state, reason) == (3, "queued", "identity_changed"), "keys swapped: Anna's message stays with her, and she is told why", code, state, reason)
    notices = world.history(world.anna, "notice")
    check("identity_changed" in notices and "verify_again" in notices, "she sees the alarm, and that she should verify again", notices)
    after = world.number(world.anna, BEN)
    check(after["safety_number"] != before["safety_number"] and after["identity_changed"] and not after["verified"], "the safety number is another one", after)
    check(world.receive(world.mallory) == [], "who stands in Ben's place has got nothing")
    check(world.send(world.mallory, ANNA, "it is me, Ben")[1] in ("sent", "queued") and world.receive(world.anna) == [], "and what they say is not shown as Ben's")
    done = opaline(world.ben, "receive")
    check(done.code == 1 and "does not know this device" in done.said, "Ben's own device is told that the server does not know it any more", done)
    opaline(world.anna, "accept", BEN)
    opaline(world.anna, "receive", "--wait", "5")
    check(world.receive(world.mallory) == ["for Ben alone"], "only when Anna has accepted the change does it go there")
    check("it is me, Ben" in world.receive(world.anna) + world.history(world.anna, "text", "in"), "and what they said is shown then")
    world.stop()


def squatted(_, template):
    """The same, but Ben's mailbox stays, so that nothing tells Anna to ask again."""
    world = template.twin("squat")
    world.lie("squat")
    world.start()
    _, state, _ = world.send(world.anna, BEN, "with the session that we have")
    check(state == "sent" and world.receive(world.mallory) == [], "an existing session goes on in the mailbox that Anna knows: nobody else gets it", state)
    check("identity_changed" not in world.history(world.anna, "notice"), "(nothing to be seen yet)")
    check(world.send(world.mallory, ANNA, "it is me, Ben")[1] == "sent", "who stands in Ben's place writes to Anna")
    check(world.receive(world.anna) == [], "it is not shown as Ben's")
    check("identity_changed" in world.history(world.anna, "notice"), "Anna sees the alarm", world.history(world.anna, "notice"))
    _, state, reason = world.send(world.anna, BEN, "who are you?")
    check((state, reason) == ("queued", "identity_changed"), "and sends nothing until she has accepted it", state, reason)
    world.stop()


def forged(_, template):
    """Ben's devices as they are, but prekeys that are somebody else's."""
    world = template.twin("forge")
    world.lie("forge")
    world.start()
    (carla,) = people(programs, world.server, world.directory, "Carla")
    _, state, reason = world.send(carla, BEN, "hello, new here")
    check(state == "queued", "prekeys that Ben's device never signed open no session: a newcomer's message waits", state, reason)
    check(world.send(world.anna, BEN, "still us")[1] == "sent" and world.receive(world.ben) == ["still us"], "who has a session is not disturbed")
    opaline(carla, "receive", "--wait", "5")
    got = world.receive(world.ben)
    check(got in ([], ["hello, new here"]), "Ben gets what is Carla's and nothing else", got)
    world.stop()


def rolled_back(_, template):
    """Ben has linked a tablet; the directory goes back to the list without it."""
    world = template.twin("rollback")
    world.start()
    tablet = Person("Tablet", BEN, programs.opaline, world.server, world.directory)

    def got(who):
        world.receive(who)  # does not show what was read on the phone
        return world.history(who, "text", "in")

    link(world.ben, tablet, check, "--name", "tablet")
    check(world.send(world.anna, BEN, "for both")[1] == "sent" and world.receive(world.ben) == ["for both"], "Anna writes to both")
    world.receive(world.anna)
    world.receive(world.ben)
    world.receive(world.anna)
    check("for both" in got(tablet), "and the tablet gets it, too")
    world.stop()
    world.lie("rollback")
    world.start()
    tablet.server = world.server
    check(world.send(world.anna, BEN, "still for both")[1] == "sent", "who knows the tablet writes on")
    check(world.receive(world.ben) == ["still for both"] and "still for both" in got(tablet), "to both")
    (carla,) = people(programs, world.server, world.directory, "Carla")
    check(world.send(carla, BEN, "hello, new here")[1] == "sent", "a newcomer is shown the list without the tablet")
    check(world.receive(world.ben) == ["hello, new here"], "Ben's phone gets what she writes")
    for _ in range(2):
        world.receive(carla)
        world.receive(world.ben)
    notices = world.history(carla, "notice")
    check("list_rolled_back" in notices, "and tells her of the list that it goes by: she sees that the directory hides something", notices)
    world.stop()


def replayed(_, template):
    """Old files brought back: what was delivered is delivered once more, what was settled is open again."""
    world = template.twin("replay")
    world.start()
    for text in ("one", "two", "three"):
        assert world.send(world.anna, BEN, text)[1] == "sent"
    world.stop()
    old = world.directory.parent / "replay-old"
    shutil.copytree(world.directory / "server", old, symlinks=True)
    world.start()
    check(world.receive(world.ben) == ["one", "two", "three"], "three messages are delivered")
    assert world.send(world.ben, ANNA, "got them")[1] == "sent" and world.receive(world.anna) == ["got them"]
    world.receive(world.ben)
    for round_number in (1, 2):
        world.stop()
        shutil.rmtree(world.directory / "server")
        shutil.copytree(old, world.directory / "server", symlinks=True)
        world.start()
        check(world.receive(world.ben) == [], f"the server is rolled back and has them again ({round_number}): Ben is shown nothing twice")
        text = f"after rollback {round_number}"
        sent = world.send(world.anna, BEN, text)
        check(sent[1] == "sent" and world.receive(world.ben) == [text], "and they write on", sent)
        text = f"answer {round_number}"
        sent = world.send(world.ben, ANNA, text)
        check(sent[1] == "sent" and world.receive(world.anna) == [text], "in both directions", sent)
    wrote, got = world.history(world.anna, "text", "out"), world.history(world.ben, "text", "in")
    check(wrote == got, "Ben's history is what Anna wrote, each once and in order", wrote, got)
    alarms = {"identity_changed", "list_rolled_back", "list_forked"} & set(world.history(world.anna, "notice") + world.history(world.ben, "notice"))
    check(not alarms, "no alarm: their keys are the same", alarms)
    world.stop()


with tempfile.TemporaryDirectory(prefix="opaline-liar-") as scratch:
    template = begin(pathlib.Path(scratch) / "template")
    for story in (swapped, squatted, forged, rolled_back, replayed):
        checks.case(story, template)
checks.end()
