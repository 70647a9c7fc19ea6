"""Copies of a home, with real programs: a copy takes the original's place once and twice, a copy is used for a while, and two homes with the keys of one device take turns.
Every home that goes on ends with every text, once, and so do the account's other device and the contact's; nobody is told more than one line.

    python3 tests/system/copied_homes_test.py DIR_WITH_PROGRAMS [CASE ...]

The clock of all programs is libfaketime's, so that nothing waits for the engine's pauses (src/endpoint/copies_test.cpp has the same one level below).
"""
import collections
import glob
import os
import shutil
import sys

from support import Person, Server, opaline, people, quietly, run_cases, walkthrough

ANNA, BEN = "anna{}@example.org", "ben{}@example.org"
ROUNDS = 12  # of everybody receiving, at most
PAUSE, HOUR = 20, 3700  # seconds: longer than the engine waits before it asks again, and before it asks for history again
libraries = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
if not libraries:
    sys.exit("libfaketime is missing: apt-get install faketime (tools/setup does)")


class World:
    """One server for all cases, and a clock that only the test moves on."""

    def __init__(self, programs, directory):
        self.programs, self.directory, self.clock, self.ahead, self.stories = programs, directory, directory / "clock", 0, 0
        self.move_on(0)
        os.environ.update(LD_PRELOAD=libraries[0], FAKETIME_TIMESTAMP_FILE=str(self.clock), FAKETIME_NO_CACHE="1", FAKETIME_DONT_FAKE_MONOTONIC="1")
        self.server = Server(programs.opalined, directory / "server", True)

    def move_on(self, by):
        self.ahead += by
        written = self.clock.with_suffix(".next")
        written.write_text(f"{self.ahead:+d}")
        written.rename(self.clock)


class Story:
    """Anna with a phone, Ben with a phone and a laptop. One of Ben's homes (`of`) is going to be copied."""

    def __init__(self, check, world, of):
        self.check, self.world = check, world
        world.stories += 1
        number = world.stories
        self.directory = world.directory / f"story{number}"
        self.directory.mkdir()
        self.anna, ben = people(world.programs, world.server, self.directory, f"Anna{number}", f"Ben{number}")
        laptop = Person("Laptop", ben.handle, world.programs.opaline, world.server, self.directory)
        quietly(walkthrough.link, ben, laptop, lambda *_: None, "--name", "laptop")
        self.original, self.other = (ben, laptop) if of == "phone" else (laptop, ben)
        self.wrote = []
        self.say(self.anna, ben, laptop, self.anna)
        self.say(laptop, self.anna, ben, laptop)
        self.say(ben, self.anna, laptop, ben)

    def copy(self, name):
        """Another terminal, at a copy of the original's home."""
        shutil.copytree(self.original.home, self.directory / name, symlinks=True)
        copy = Person(name, self.original.handle, self.world.programs.opaline, self.world.server, self.directory)
        return copy

    def say(self, who, *receive):
        """Writes a text; then these receive."""
        text = f"{len(self.wrote) + 1} of {who.name}"
        self.wrote.append(text)
        done = opaline(who, "send", self.other.handle if who is self.anna else self.anna.handle, text)
        if done.code not in (0, 3):
            self.check(False, f"{text}: {done}")
        self.receive(*receive)

    def receive(self, *homes):
        for who in homes:
            opaline(who, "receive")
        self.world.move_on(PAUSE)

    def wrong(self, who):
        """What this home lacks, or has more than once."""
        have = collections.Counter(line["text"] for line in opaline(who, "history", "--limit", "1000").lines if line["event"] == "message")
        return [text for text in self.wrote if have[text] != 1]

    def settle(self, what, *homes):
        """All of them receive until each has everything, once."""
        for number in range(ROUNDS):
            self.receive(*homes)
            wrong = {who.name: texts for who in homes if (texts := self.wrong(who))}
            if not wrong:
                break
            if number % 3 == 2:
                self.world.move_on(HOUR)
        self.check(not wrong, f"{what}: {wrong or f'every device has every text once, after {number + 1} rounds'}")

    def end(self, what, *homes, lines=1):
        """Nothing more is said, and the next texts go as if nothing had been."""
        self.settle(what, *homes)
        for who in homes:
            notices = collections.Counter(line.get("notice") for line in opaline(who, "history", "--limit", "1000").lines)
            self.check(notices["session_healed"] <= lines, f"{what}: {who.name} shows {notices['session_healed']} lines")
        self.world.move_on(HOUR)
        self.receive(*homes)
        late = [line for who in homes for line in opaline(who, "receive").lines if line["event"] in ("message", "notice")]
        self.check(not late, f"{what}: an hour later nothing comes any more {late or ''}")
        for who in homes:
            self.say(who)
        self.receive(*homes)
        self.receive(*homes)
        wrong = {who.name: texts for who in homes if (texts := self.wrong(who))}
        self.check(not wrong, f"{what}: then all is as before {wrong or ''}")


def restored(check, world):
    """The original is lost, and a copy of its home takes its place; then the same copy once more."""
    for of in ("phone", "laptop"):
        story = Story(check, world, of)
        first, second = story.copy("first"), story.copy("second")
        story.say(story.anna, story.original, story.other)
        story.say(story.original, story.anna, story.other)
        story.say(story.anna, first)
        story.say(first, story.anna, story.other)
        story.end(f"{of}, once", story.anna, story.other, first)
        story.say(story.anna, second)
        story.say(second, story.anna, story.other)
        story.end(f"{of}, twice", story.anna, story.other, second, lines=2)


def silent(check, world):
    """The original wrote, and the copy that takes its place finds nothing that it cannot open."""
    for of in ("phone", "laptop"):
        story = Story(check, world, of)
        copy = story.copy("copy")
        story.say(story.original)
        story.say(story.original, story.other, story.anna)
        story.say(story.other)
        story.say(copy, copy, story.other, story.anna)
        story.end(of, story.anna, story.other, copy)


def original_alone(check, world):
    """A copy is used for a while, then only the original."""
    for of in ("phone", "laptop"):
        story = Story(check, world, of)
        copy = story.copy("copy")
        story.say(story.anna, copy)
        story.say(copy, story.anna, copy, story.other)
        story.say(story.anna, story.original, story.other)
        story.say(story.original, story.anna, story.other)
        story.end(of, story.anna, story.other, story.original)


def copy_alone(check, world):
    """Both take turns, then only the copy goes on."""
    for of in ("phone", "laptop"):
        story = Story(check, world, of)
        anna, original, other = story.anna, story.original, story.other
        copy = story.copy("copy")
        story.say(anna, original, other)
        story.say(original, anna, other)
        story.say(copy, anna, other, original, anna)  # the original takes the question for what the copy wrote
        story.say(other, copy, anna)
        story.say(original, anna, other, original, anna, other)
        story.say(anna, original)
        story.say(copy, anna, other)
        story.say(anna, copy)
        story.say(copy, anna, other)
        story.end(of, anna, other, copy)


CASES = {function.__name__: function for function in (restored, silent, original_alone, copy_alone)}

if __name__ == "__main__":
    walkthrough.say = lambda text="": None
    run_cases("copied-homes", CASES, lambda programs, directory: (World(programs, directory),))
