"""Stories of codes: wrong ones, quotas, time."""
import glob
import json
import re

from world import World
from support import wait_for


def story_codes(check, world):
    """Codes: wrong ones, quotas; taken and free handles answer alike"""
    olga = world.person("olga")
    home = world.home("codes")
    right = []

    def wrong_ones(handle):
        known = len(world.codes(handle))
        process = home.start("register", handle)
        right.append(wait_for("a code", lambda: world.codes(handle)[known:])[-1])
        bad = [f"{(int(right[-1]) + i) % 1000000:06}" for i in range(1, 6)]
        return home.end(process, "\n".join(["12", *bad, right[-1], ""]))

    free, taken = wrong_ones("free@example.org"), wrong_ones(olga.handle)
    tries = [line.get("tries_left", 0) for line in free.lines if line["event"] == "error"][1:]
    check(free.code == 1 and tries == [4, 3, 2, 1, 0], f"five wrong codes: tries left {tries}; then not even the right one")
    check("another code" in free.error["message"], f"and it says what to do: {free.error.get('message')}")

    def alike(done, handle):
        return json.dumps(done.lines).replace(handle, "HANDLE"), done.errors

    check(alike(free, "free@example.org") == alike(taken, olga.handle), "a taken handle is answered as a free one")
    check(home.run("register", "free@example.org", "--code", right[0]).error.get("error") == "wrong_code", "an old code is none of a new registration")
    check(home.run("register", "free@example.org", typed="").error.get("message", "").startswith("no code was given"), "no code: says so")
    wait = None
    for _ in range(12):
        done = home.run("register", "often@example.org", "--code", "000000")
        if done.error.get("error") == "quota":
            wait = done.error["retry_after_seconds"]
            break
    check(wait and 0 < wait <= 86400, f"too many codes for one handle: {done.error.get('message')} {wait} s")
    human = home.run("register", "often@example.org", json_lines=False).errors
    check(re.search(r"try again in \d+ h \d+ min", human), f"for people: {' '.join(human.split())}")
    check(world.person("others").run("account").code == 0, "others are not touched by it")
    for bad in ("anna", "anna@", "@example.org", "+49", "0151123", "anna@exa mple.org", "a@b\r\nBcc: c@d.org", "a@b.org,c@d.org", "<a@b.org>", "ä@example.org"):
        done = home.run("register", bad)
        check(done.code == 1 and "neither a phone number" in done.error.get("message", ""), f"no handle: {bad!r}")


def story_expired(check, world):
    """A code after its ten minutes, a PIN after its 30 days (libfaketime moves the clocks)"""
    libraries = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
    if not check(libraries, "libfaketime is there (tools/setup installs it)"):
        return
    (world.directory / "later").mkdir()
    clock = world.directory / "later" / "clock"
    clock.write_text("+0")
    faked = {"LD_PRELOAD": libraries[0], "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1"}
    later = World(world.programs, world.directory / "later", faked)
    later.seen = world.seen
    for minutes, error in ((9, None), (11, "expired")):
        handle = f"after{minutes}@example.org"
        clock.write_text("+0")
        home = later.home(f"after{minutes}")
        process = home.start("register", handle)
        code = wait_for("a code", lambda: later.codes(handle))[-1]
        clock.write_text(f"+{minutes * 60}")
        done = home.end(process, code + "\n")
        check(done.error.get("error") == error and (done.code == 0) == (error is None), f"after {minutes} minutes: {done.error.get('message', 'good')}")
    clock.write_text("+0")
    paula = later.person("paula")
    paula.run("pin", "set", "--pin", "2580")
    for days, code in ((29, 1), (38, 0)):
        clock.write_text(f"{days:+}d")
        done = later.home(f"paula{days}", environment=faked).register(paula.handle)
        check(done.code == code and done.error.get("error") == (None if code == 0 else "wrong_pin"), f"PIN, {days} days after its last device was seen: {done.error.get('message', 'lapsed')}")
    check(later.stop() == 0, "that server shuts down")
