"""Stories of several devices: linking by code and by number, history, what devices tell each other, removal, blocks, recovery, and kill -9 in between."""
import json
import signal
import threading

from support import wait_for
from terminal import Terminal
from world import HANG_SECONDS, mode


class Running:
    """A command whose --json lines are read as they come, and which is typed at when something was seen."""

    def __init__(self, home, *arguments):
        self.home, self.lines = home, []
        self.process = home.start(*arguments)
        self.reader = threading.Thread(target=self._collect, daemon=True)
        self.reader.start()

    def _collect(self):
        for line in self.process.stdout:
            self.lines.append(json.loads(line))
            self.home.world.seen.append(self.lines[-1])

    def event(self, name):
        """Waits for an event; {} if the command ended without."""
        found = lambda: next((line for line in list(self.lines) if line["event"] == name), None)  # noqa: E731
        wait_for(name, lambda: found() or (self.process.poll() is not None and not self.reader.is_alive()))
        return found() or {}

    def type(self, line):
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=HANG_SECONDS)
        self.reader.join(timeout=10)

    def end(self):
        code = self.process.wait(timeout=HANG_SECONDS)
        self.reader.join(timeout=10)
        return code


def by_code(primary, home, *options):
    """Links a home by its code; both exit codes."""
    new = Running(home, "link", *options)
    code = new.event("link_code").get("code", "")
    done = primary.run("devices", "add", code, "--yes")
    return new.end(), done


def numbers(home):
    return [line["device"] for line in home.run("devices").lines if line["event"] == "device"]


def story_link(check, world):
    """A phone, a tablet and a laptop: linking, history, and what devices tell each other"""
    phone, ben = world.person("vera"), world.person("ben-of-vera")
    ben.run("send", phone.handle, "before")
    phone.run("receive")
    tablet, laptop = world.home("vera-tablet"), world.home("vera-laptop")

    code, done = by_code(phone, tablet, "--name", "tablet")
    check(code == 0 and done.code == 0 and done.event("device_added")["name"] == "tablet", f"the tablet is linked by its code: {done}")
    check(tablet.history() == [] or all(line["event"] == "notice" for line in tablet.history()), "it begins without history")
    check(tablet.run("link").error.get("error") == "registered", "and is not linked twice")

    new = Running(laptop, "link", "--name", "laptop", "--with-history")
    number = new.event("link_code")["number"]
    old = Running(phone, "devices", "add", f"{number[:3]} {number[3:6]} {number[6:]}")
    same = new.event("link_digits").get("digits") == old.event("link_digits").get("digits")
    check(same, "both show the same 8 digits")
    for each in (new, old):
        each.type("yes")
    proposed = old.event("device_proposed")
    check(proposed.get("name") == "laptop" and proposed.get("wants_history"), f"the phone shows what wants to be added: {proposed}")
    old.type("yes")
    check(new.end() == 0 and old.end() == 0, "the laptop is linked by its number")
    check("before" in [line.get("text") for line in laptop.history()], "it has the history")
    check(numbers(laptop) == [1, 2, 3], "all three know each other")

    ben.run("send", phone.handle, "to all of you")
    first = phone.run("receive").texts
    ben.run("receive")  # the phone has said that there are more devices
    for home in (tablet, laptop):
        home.run("receive")  # read already, on the phone: here it is history
    texts = [first, *([line.get("text") for line in home.history()] for home in (tablet, laptop))]
    check(all("to all of you" in each for each in texts), f"a message reaches all devices: {texts}")
    laptop.run("send", ben.handle, "from the laptop")
    for home in (phone, tablet):
        copy = next((line for line in home.run("receive").lines if line.get("text") == "from the laptop"), {})
        check(copy.get("direction") == "out" and copy.get("written_on") == "laptop", f"what the laptop sends is on the others: {copy}")
    check("from the laptop" in ben.run("receive").texts, "and Ben has it")

    ben.run("send", phone.handle, "read me once")
    phone.run("receive")
    check("read me once" not in tablet.run("receive").texts, "what was read on one device is read on all")
    ident = next(line["id"] for line in laptop.history(ben.handle) if line.get("text") == "before")
    for wrong, said in ((ident[:3], "bad_text"), ("x" + ident[1:], "bad_text"), (("0" if ident[0] != "0" else "1") + ident[1:8], "unknown_peer")):
        check(laptop.run("delete", ben.handle, "--message", wrong, "--yes").error.get("error") == said, f"delete: {wrong} is {said}")
    check(laptop.run("delete", ben.handle, "--message", ident[:8], typed="yes\n").code == 0, "the laptop deletes a message, by the first digits of its id")
    phone.run("receive")
    check("before" not in [line.get("text") for line in phone.history()], "which is gone from the phone")
    talk = phone.run("conversations").event("conversation")
    check(talk.get("peer") == ben.handle and talk.get("unread") == 0, f"conversations: {talk}")

    check(tablet.run("block", ben.handle).code == 0, "the tablet blocks Ben")
    ben.run("send", phone.handle, "let me in")
    check(all("let me in" not in home.run("receive").texts for home in (phone, tablet, laptop)), "nothing of his is shown on any")
    check(phone.run("send", ben.handle, "x").error.get("error") == "blocked" and phone.run("blocked").event("blocked").get("peer") == ben.handle, "the phone knows it")
    check(phone.run("unblock", ben.handle).code == 0 and tablet.run("receive").code == 0 and tablet.run("blocked").lines == [], "and lifts it for all")
    check(tablet.run("delete", ben.handle, "--yes").code == 0, "the tablet deletes the conversation")
    laptop.run("receive")
    check(laptop.run("conversations").lines == [], "it is gone from the laptop")

    follow = phone.follow()
    check(numbers(phone) == [1, 2, 3] and phone.run("blocked").code == 0 and phone.run("conversations").code == 0, "beside receive --follow one can look")
    check(tablet.run("devices", "rename", "slate").code == 0, "the tablet is renamed")
    follow.sees("the new name", lambda line: line["event"] == "own_devices_changed")
    tablet.run("block", ben.handle)
    follow.sees("the block", lambda line: line["event"] == "conversation_changed")
    follow.stop()
    tablet.run("unblock", ben.handle)

    check(tablet.run("devices", "remove", "3", "--yes").error.get("error") == "not_primary", "only the primary device removes devices")
    check(phone.run("devices", "remove", "1", "--yes").error.get("error") == "this_device", "and not itself")
    check(phone.run("devices", "remove", "9", "--yes").error.get("error") == "unknown_device", "nor one that is not there")
    watching = tablet.follow()
    check(phone.run("devices", "remove", "2", typed="yes\n").code == 0, "the phone removes the tablet")
    check(watching.stop(None) == 1 and watching.lines[-1].get("error") == "removed", f"which is told, and ends: {watching.lines[-1:]}")
    for arguments in (["receive"], ["send", ben.handle, "x"], ["devices", "rename", "x"]):
        done = tablet.run(*arguments)
        check(done.error.get("error") == "removed" or arguments[0] == "devices", f"its commands say so: {done}")
        check(done.error.get("error") != "removed" or "removed on the primary device" in done.error["message"], "and by whom")
    laptop.run("receive")
    check(numbers(laptop) == [1, 3], "the laptop knows")
    ben.run("send", phone.handle, "still there?")
    first = phone.run("receive").texts
    ben.run("receive")
    check("still there?" in first and "still there?" in [line.get("text") for line in laptop.run("receive").lines + laptop.history()], "and Ben's messages reach who is left")


def story_link_refused(check, world):
    """Linking that comes to nothing, and kill -9 in every step"""
    phone, home = world.person("erik"), world.home("erik-second")
    check(phone.run("devices", "add", "123456789").error.get("error") == "link_failed", "no device waits under a wrong number")
    check(phone.run("devices", "add", "opaline-link:AbCd").error.get("error") == "link_failed", "nor under half a code")
    new = Running(home, "link")
    old = Running(phone, "devices", "add", new.event("link_code")["number"])
    old.event("link_digits"), new.event("link_digits")
    new.type("no")
    old.type("yes")
    check(new.end() == 1 and old.end() == 1, "other digits: nothing is linked")
    code, done = Running(home, "link"), None
    done = phone.run("devices", "add", code.event("link_code")["code"], typed="no\n")
    check(done.code == 1 and code.end() == 1 and numbers(phone) == [1], "the person says no")

    for step in ("link_code", "link_digits", "link_welcome", "linked"):
        name = f"erik-{step}"
        home = world.home(name)
        new = Running(home, "link", "--name", name)
        started = new.event("link_code")
        old = None
        if step != "link_code":
            old = Running(phone, "devices", "add", started["number"] if step == "link_digits" else started["code"])
        if step == "linked":
            old.event("device_proposed")
            old.type("yes")
        new.event(step)
        new.kill()
        if step == "link_welcome":
            old.event("device_proposed")
            old.type("yes")
        elif step == "link_digits":
            old.type("yes")
            old.type("yes")
        again = Running(home, "link", "--name", name)
        wait_for("what becomes of it", lambda: again.process.poll() is not None or any(line["event"] in ("link_code", "linked") for line in list(again.lines)))
        if any(line["event"] == "link_code" for line in again.lines):
            if old:
                old.end()
            done = phone.run("devices", "add", again.event("link_code")["code"], "--yes")
            check(done.code == 0, f"killed at {step}: it starts over {done}")
        else:
            check(step != "link_code", f"killed at {step}: it goes on")
        code = again.end()
        check(code == 0 or (step == "linked" and again.lines[-1].get("error") == "registered"), f"killed at {step}: and is linked")
        if old and old.process.poll() is None:
            old.end()
        entries = phone.run("devices").lines
        mine = home.run("devices").lines
        check(len(entries) == len(mine) and [line for line in mine if line["this_device"]], f"killed at {step}: one more device, and not two: {len(entries)}")
        check(phone.run("devices", "remove", next(line["device"] for line in mine if line["this_device"]), "--yes").code == 0 and len(numbers(phone)) == 1,
              f"killed at {step}: which can be removed")


def story_recovery(check, world):
    """The primary device is lost: recovery files"""
    phone, ben = world.person("fay"), world.person("ben-of-fay")
    laptop, fresh, third = world.home("fay-laptop"), world.home("fay-fresh"), world.home("fay-third")
    by_code(phone, laptop)
    ben.run("send", phone.handle, "hello")
    laptop.run("receive")
    file, secret, wrong = world.directory / "fay.recovery", world.directory / "recovery.txt", world.directory / "wrong.txt"
    secret.write_text("correct horse battery staple\n")
    wrong.write_text("incorrect horse battery\n")
    options = ["--recovery-passphrase-file", secret]
    done = phone.run("recovery", "export", file, *options)
    check(done.code == 0 and mode(file) == "600", f"the phone writes a recovery file: {done}")
    asks = Terminal(phone.command("recovery", "export", world.directory / "unequal", json_lines=False))
    asks.answer("New passphrase", "too short")
    for words in (("correct horse battery", "correct horse batterie"), ("another horse battery", "another")):
        asks.answer("New passphrase", words[0])
        asks.answer("The same again", words[1])
    check(asks.end() == 1 and "typed twice alike" in asks.text and "run in a terminal" not in asks.text, "passphrases that were never the same")
    check(not (world.directory / "unequal").exists() and phone.run("recovery", "export", file, *options).code == 1 and phone.run("recovery", "export", file, "--force", *options).code == 0, "which is replaced with --force alone")
    check(laptop.run("recovery", "export", file, "--force", *options).error.get("error") == "not_primary", "another device has no account key")
    check(fresh.run("recovery", "import", file, "--recovery-passphrase-file", wrong).error.get("error") == "wrong_passphrase", "a wrong passphrase opens nothing")
    done = fresh.run("recovery", "import", world.directory / "not.there", *options)
    check("No such file" in done.error.get("message", ""), f"a file that is not there: {done.error.get('message')}")
    done = fresh.run("recovery", "import", secret)
    check(done.error.get("error") == "bad_recovery_file" and "no recovery file" in done.error["message"], f"a wrong file, before a passphrase is asked for: {done.error.get('message')}")
    damaged = world.directory / "damaged.recovery"
    damaged.write_bytes(file.read_bytes()[:-1])
    check(fresh.run("recovery", "import", damaged, *options).error.get("error") == "bad_recovery_file", "half a file neither")

    done = fresh.run("recovery", "import", file, *options)
    check(done.code == 0 and done.event("recovered").get("device") == 3, f"a new home takes the phone's place: {done}")
    check(phone.run("receive").error.get("error") == "removed" and numbers(fresh) == [2, 3], "the phone is removed")
    for home in (laptop, fresh):
        home.run("receive")
    check("hello" in [line.get("text") for line in fresh.history()], "it has the messages of the laptop")
    fresh.run("send", ben.handle, "it is me again")
    done = ben.run("receive")
    check("it is me again" in done.texts and not [kind for kind, _ in done.notices if kind == "identity_changed"], "Ben sees no other identity")
    check(fresh.run("recovery", "import", file, *options).error.get("error") == "registered", "it is the primary device already")

    done = laptop.run("recovery", "import", file, *options)
    check(done.code == 0 and by_code(laptop, third)[0] == 0, f"a linked device becomes primary: {done}")


STORIES = [story_link, story_link_refused, story_recovery]
