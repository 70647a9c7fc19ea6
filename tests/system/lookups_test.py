"""Lookups with real programs: who is here, what is remembered, how the log ends, and a year of daily messages with moved clocks.

    python3 tests/system/lookups_test.py DIR_WITH_PROGRAMS [CASE ...]
"""
import contextlib
import glob
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from support import Checks, Programs, Server, opaline, people, wait_for

programs = Programs(sys.argv[1])
NUMBER, NOBODY = "+4915112345678", "nobody@example.org"
NOON = 43200 - int(time.time()) % 86400  # to be added, so that no midnight passes in the middle of a day
DAY = 86400


def looked_up(server):
    """How many handles so far."""
    return server.metric("opaline_handles_looked_up_total")


def counted(server):
    """The same, and how many questions to the directory were charged."""
    return looked_up(server), server.metric('opaline_lookups_total{kind="charged"}')


def case_lookup(check, directory):
    """Each handle: here, by SMS, or not here; from the service, then from the cache; --again asks again"""
    server = Server(programs.opalined, directory / "server", True)
    try:
        anna, ben = people(programs, server, directory, "Anna", "Ben")
        before, paid = counted(server)
        done = opaline(anna, "lookup", ben.handle, NUMBER, NOBODY)
        found = {line["handle"]: line for line in done.lines}
        check(done.code == 0 and {h: one["reachable"] for h, one in found.items()} == {ben.handle: "here", NUMBER: "sms", NOBODY: "not_here"}, f"who is here {done.lines}")
        check(all(one["from"] == "service" for one in found.values()) and counted(server) == (before + 3, paid + 3), "three are charged, in one request")
        check(len(found[ben.handle]["account"]) == 32 and "account" not in found[NOBODY], "who is here has an account")
        again = opaline(anna, "lookup", ben.handle, NUMBER, NOBODY)
        check([one["from"] for one in again.lines] == ["cache"] * 3 and counted(server) == (before + 3, paid + 3), f"the second time nobody is asked {again.lines}")
        check([one["asked_at"] for one in again.lines] == [one["asked_at"] for one in done.lines], "it says from when it is")
        away = opaline(anna, "lookup", ben.handle, NOBODY, url="https://127.0.0.1:1")
        check(away.code == 0 and [one["reachable"] for one in away.lines] == ["here", "not_here"], "also without the service")
        fresh = opaline(anna, "lookup", ben.handle, NOBODY, "--again")
        check([one["from"] for one in fresh.lines] == ["service"] * 2 and counted(server) == (before + 5, paid + 3), f"--again asks, and its tokens pay {fresh.lines}")
        text = opaline(anna, "send", NUMBER, "hello")
        check(text.code == 1 and text.lines[0]["error"] == "no_such_handle" and "SMS, which is not encrypted" in text.lines[0]["message"], f"send says so before it sends {text}")
        check("SMS" not in opaline(anna, "send", NOBODY, "hello").lines[0]["message"] and counted(server) == (before + 5, paid + 3), "and asks nobody again")
        done = opaline(anna, "send", ben.handle, "hello")
        check(done.state == "sent" and counted(server) == (before + 5, paid + 3), f"nor for whom was looked up {done} {counted(server)} {before}")
        mine = opaline(anna, "my-lookups")
        asked = [(line["looked_up_handle"], line["capable_devices"]) for line in mine.lines]
        check(mine.code == 0 and sorted(asked) == sorted([(ben.handle, 1), (NUMBER, 0), (NOBODY, 0), (ben.handle, 1), (NOBODY, 0)]), f"my-lookups shows them {mine.lines}")
        check({(line["source_handle"], line["source_address"]) for line in mine.lines} == {(anna.handle, "127.0.0.1")}, "as hers")
        check(not [line for line in opaline(ben, "my-lookups").lines if line["looked_up_handle"] != anna.handle], "Ben sees none of it")
        before, paid = counted(server)
        many = [f"x{i}@example.org" for i in range(150)]
        done = opaline(anna, "lookup", *many[:70], "no handle", *many[70:])
        wrong = [line for line in done.lines if line.get("problem")]
        check(done.code == 1 and len(done.lines) == 151 and len(wrong) == 1 and wrong[0]["handle"] == "no handle" and wrong[0]["reachable"] == "unknown", f"what can be no handle is named {wrong}")
        check(sum(line["reachable"] == "not_here" for line in done.lines) == 150 and counted(server) == (before + 150, paid + 150), "the others are answered, each charged once")
    finally:
        server.stop()


def case_quota(check, directory):
    """A refusal says when to come back"""
    server = Server(programs.opalined, directory / "server", True)
    try:
        (anna,) = people(programs, server, directory, "Anna")
        handles = [f"x{i}@example.org" for i in range(2000)]
        done = opaline(anna, "lookup", *handles)
        check(done.code == 0 and len(done.lines) == 2000, f"2,000 are answered {len(done.lines)}")
        done = opaline(anna, "lookup", handles[0], "one@example.org", "more@example.org")
        refused = done.lines[-1]
        check([line["reachable"] for line in done.lines[:-1]] == ["not_here", "unknown", "unknown"], f"what is remembered is said all the same {done.lines}")
        check(done.code == 1 and refused["error"] == "quota" and 0 < refused["retry_after_seconds"] <= DAY, f"and when to come back {refused}")
        words = subprocess.run([*anna.command, "--server", server.url, "lookup", "one@example.org"], capture_output=True, text=True)
        check(words.returncode == 1 and "try again in" in words.stderr, f"in words {words.stderr}")
    finally:
        server.stop()


@contextlib.contextmanager
def moved_clock(directory):
    """Gives a function that sets the day, from 0, for all programs that are started in it."""
    file = directory / "clock"
    file.write_text(f"{NOON:+d}")
    faked = {"LD_PRELOAD": glob.glob("/usr/lib/*/faketime/libfaketime.so.1")[0], "FAKETIME_TIMESTAMP_FILE": str(file), "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    os.environ.update(faked)
    try:
        yield lambda day: file.write_text(f"{day * DAY + NOON:+d}")
    finally:
        for name in faked:
            os.environ.pop(name, None)


def confirm_clock(directory):
    subprocess.run([programs.opalined, "--dev", directory / "server", "admin", "confirm-clock"], capture_output=True, timeout=60)


def case_expiry(check, directory):
    """The log's entries end with the key of their day: not before, and a copy of yesterday's files opens nothing then"""
    def entries(): return server.metric("opaline_lookup_log_entries")
    def shown(): return len([line for line in opaline(anna, "my-lookups").lines if line["event"] == "my_lookup"])
    def begun(): return Server(programs.opalined, directory / "server", True)
    with moved_clock(directory) as set_day:
        server = begun()
        try:
            (anna,) = people(programs, server, directory, "Anna")
            opaline(anna, "lookup", NUMBER, NOBODY)
            wait_for("the log", lambda: entries() == 2)
            set_day(1)
            opaline(anna, "lookup", "x@example.org")
            wait_for("the log", lambda: entries() == 3)
            server.stop()
            log = directory / "server" / "data" / "lookups"
            shutil.copytree(log, directory / "stolen")
            set_day(29)
            server = anna.server = begun()
            check(entries() == 3 and shown() == 3, "after a jump of 28 days nothing is destroyed before the operator confirms the clock")
            confirm_clock(directory)
            check(entries() == 3, "nor on day 29, for all are younger than 30 days")
            set_day(30)
            confirm_clock(directory)
            wait_for("the first day to end", lambda: entries() == 1)
            check(shown() == 1, "on day 30 the key of day 0 is destroyed")
            server.stop()
            shutil.rmtree(log)
            shutil.copytree(directory / "stolen", log)
            server = anna.server = begun()
            check(shown() == 1, f"the files as they were on day 1, with the vault as it is: of day 0 nothing opens {shown()}")
            set_day(31)
            confirm_clock(directory)
            wait_for("the second day to end", lambda: entries() == 0)
            check(shown() == 0, "and then nothing")
        finally:
            server.stop()


def case_year(check, directory):
    """A year of daily messages: the handle is looked up once; after more than 60 days of silence once again"""
    with moved_clock(directory) as set_day:
        server = Server(programs.opalined, directory / "server", True)
        try:
            anna, ben = people(programs, server, directory, "Anna", "Ben")
            check(opaline(anna, "send", ben.handle, "day 0").state == "sent", "on day 0")
            check(opaline(ben, "receive").texts == ["day 0"], "which arrives")
            first, days, before = looked_up(server), 0, 0
            for day in range(1, 366):
                set_day(day)
                if day % 60 == 0:  # a development server's certificate is good for 90 days, and made anew at a start
                    before += looked_up(server)
                    server.stop()
                    server = anna.server = ben.server = Server(programs.opalined, directory / "server", True)
                if day % 5 == 0:  # days go by faster than the server notes them: for it the clock has jumped
                    confirm_clock(directory)
                days += opaline(anna, "send", ben.handle, f"day {day}").state in ("sent", "delivered", "read")
                if day % 4 == 0:
                    opaline(ben, "receive")  # whose prekeys are good for a week
            check(days == 365, f"365 days, 365 messages: {days}")
            check(before + looked_up(server) == first, f"and no lookup of a handle after the first day: {first}, {before + looked_up(server)}")
            server.stop()
            set_day(365 + 62)
            server = anna.server = ben.server = Server(programs.opalined, directory / "server", True)
            opaline(ben, "receive")
            check(opaline(anna, "send", ben.handle, "after 62 days").state == "sent", "after 62 days of silence")
            check(looked_up(server) == 1, f"there is no token any more: one lookup {looked_up(server)}")
        finally:
            server.stop()


CASES = {name.removeprefix("case_"): function for name, function in list(globals().items()) if name.startswith("case_")}


if __name__ == "__main__":
    check = Checks()
    for name in sys.argv[2:] or CASES:
        with tempfile.TemporaryDirectory(prefix="opaline-lookups-") as scratch:
            check.case(CASES[name], pathlib.Path(scratch))
    check.end()
