"""kill -9 of the clients, at each step of sending and receiving, with two devices on each side: in the end every device has every text once, in order.

    python3 tests/system/client_kill_test.py DIR_WITH_PROGRAMS [--all]
"""
import os
import pathlib
import re
import shutil
import sys
import tempfile

from support import SOURCE, opaline, walkthrough

walkthrough.say = lambda text="": None
programs = pathlib.Path(sys.argv[1])
# Those of conversations with businesses are businesses_test.py's.
POINTS = re.findall(r'^\s+"(client\.(?!persona_)\w+)",', (SOURCE / "src/base/fault_point.hpp").read_text(), re.MULTILINE)
ANNA, BEN = "anna@example.org", "ben@example.org"
# How many passes of a point one command has at most; a command that ends before is played to its end.
ALL = "--all" in sys.argv[2:]
PASSES = (1, 2, 3, 5) if ALL else (1, 3)
KINDS = ("send", "receive")
STEPS = ((0, "send"), (1, "receive"), (2, "send"), (4, "receive"), (5, "send"), (7, "receive"), (8, "send")) if ALL else ((0, "send"), (1, "receive"), (4, "receive"), (5, "send"))


def person(name, handle, server, homes):
    return walkthrough.Person(name, handle, programs / "opaline" / "opaline", server, homes)


def history(who):
    """What this device has: (direction, text, state) in its order."""
    return [(line["direction"], line["text"], line.get("state")) for line in opaline(who, "history", "--limit", "1000").lines if line["event"] == "message"]


def texts(who, direction):
    return [text for way, text, _ in history(who) if way == direction]


def story(devices, fault_at, fault):
    """Each device of Anna writes, each of Ben's reads and answers; the command number `fault_at` has the fault. Whether it was killed."""
    anna, laptop, ben, tablet = devices
    steps = [(anna, "send", BEN, "one"), (ben, "receive"), (laptop, "send", BEN, "two"), (tablet, "receive"), (anna, "receive"),
             (tablet, "send", ANNA, "three"), (laptop, "receive"), (ben, "receive"), (anna, "send", BEN, "four"), (tablet, "receive")]
    killed = False
    for number, (who, *arguments) in enumerate(steps):
        armed = number == fault_at
        code = opaline(who, *arguments, fault=fault if armed else None).code
        if armed and code == -9:
            killed = True
            if arguments[0] == "send" and arguments[2] not in texts(who, "out"):
                opaline(who, *arguments)  # nothing was taken: the person types it again
        elif code not in (0, 3):
            raise RuntimeError(f"{who.name} {arguments}: exit code {code}")
    return killed


def settle(devices):
    for _ in range(4):
        for who in devices:
            opaline(who, "receive")


def problems_of(devices):
    anna, laptop, ben, tablet = devices
    problems = []
    for who, sent, got in ((anna, {"one", "two", "four"}, {"three"}), (laptop, {"one", "two", "four"}, {"three"}),
                           (ben, {"three"}, {"one", "two", "four"}), (tablet, {"three"}, {"one", "two", "four"})):
        for direction, expected in (("out", sent), ("in", got)):
            there = texts(who, direction)
            if sorted(there) != sorted(expected):
                problems.append(f"{who.name} has {direction} {there}")
    for who in (ben, tablet):  # of one sender device: in the order of sending
        order = [text for text in texts(who, "in") if text in ("one", "four")]
        if order != ["one", "four"]:
            problems.append(f"{who.name} has them in the order {order}")
    for who in (anna, laptop, ben, tablet):
        waits = [(text, state) for way, text, state in history(who) if way == "out" and state not in ("delivered", "read")]
        if waits:
            problems.append(f"{who.name} still says {waits}")
    return problems


def main():
    passed = failed = 0
    reached = set()
    with tempfile.TemporaryDirectory(prefix="opaline-client-kill-") as name:
        scratch = pathlib.Path(name)
        template = scratch / "template"
        template.mkdir()
        server = walkthrough.Server(programs / "opalined" / "opalined", template / "server", True)
        anna, ben = person("Anna", ANNA, server, template), person("Ben", BEN, server, template)
        checks = walkthrough.Checks()
        for each in (anna, ben):
            registered, _ = each.register()
            assert registered, f"{each.name} could not register"
        for primary, second, handle in ((anna, "Laptop", ANNA), (ben, "Tablet", BEN)):
            walkthrough.link(primary, person(second, handle, server, template), checks, "--name", second.lower())
        assert checks.wrong == 0
        server.stop()
        for point in POINTS:
            for step, kind in STEPS:
                for nth in PASSES:
                    work = scratch / "work"
                    shutil.copytree(template, work, symlinks=True)
                    server = walkthrough.Server(programs / "opalined" / "opalined", work / "server", True)
                    devices = [person(n, h, server, work) for n, h in (("Anna", ANNA), ("Laptop", ANNA), ("Ben", BEN), ("Tablet", BEN))]
                    killed = story(devices, step, f"{point}:{nth}")
                    if killed:
                        reached.add((point, kind))
                        settle(devices)
                        problems = problems_of(devices)
                        passed, failed = passed + (not problems), failed + bool(problems)
                        print(f"{'ok  ' if not problems else 'FAIL'} {point}:{nth} in step {step}, {kind}", flush=True)
                        for problem in problems:
                            print(f"     {problem}")
                    server.stop()
                    shutil.rmtree(work)
                    if not killed:
                        break  # the command passes the point less often
        for point in POINTS:
            for kind in KINDS:
                if (point, kind) not in reached:
                    failed += 1
                    print(f"FAIL {point}: never reached in {kind}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    os.environ.pop("OPALINE_HOME", None)
    sys.exit(main())
