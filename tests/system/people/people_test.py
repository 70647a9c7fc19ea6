"""What people do with Opaline beside writing: somebody registers their handle anew, passphrases, several terminals, deleting an account, wrong codes,
mail, several devices, --help. With real `opalined` and `opaline`.

    python3 tests/system/people/people_test.py SOURCE_DIR DIR_WITH_PROGRAMS [STORY..]
"""
import os
import pathlib
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))  # support
import beside  # noqa: E402
import codes  # noqa: E402
import devices  # noqa: E402
import files  # noqa: E402
import hurry  # noqa: E402
import printed_help  # noqa: E402
import json_lines  # noqa: E402
import mail  # noqa: E402
from terminal import Terminal  # noqa: E402
from world import World, mode  # noqa: E402
from support import Checks, Programs, wait_for  # noqa: E402


def story_takeover(check, world):
    """Takeover: somebody registers a handle anew"""
    anna, ben = world.person("anna"), world.person("ben")
    anna.run("send", ben.handle, "the first")
    ben.run("receive")
    anna.run("receive")
    before = anna.run("verify", ben.handle, "--confirm").event("safety_number")
    check(before["verified"] and len(before["safety_number"]) == 60, "Anna has compared the safety number with Ben")
    anna.run("send", ben.handle, "waits for ben")
    destroyed = world.destroyed()
    new = world.home("ben-new")
    check(new.register(ben.handle).code == 0, "somebody registers Ben's handle anew with the code alone")
    wait_for("the mailbox to be destroyed", lambda: world.destroyed() > destroyed)
    check(new.run("receive").texts == [], "what waited for the old device is destroyed, and nothing of it comes to the new one")

    for arguments in (["receive"], ["account"], ["send", anna.handle, "am I still here?"]):
        done = ben.run(*arguments)
        check(done.code == 1 and "does not know this device" in done.error.get("message", "") and "--home" in done.error["message"],
              f"the old device is told with {arguments[0]}: {done.error.get('message')}")
    check("the first" in [line.get("text") for line in ben.history()], "and has its history")

    done = anna.run("send", ben.handle, "to whom?")
    # The message fails, or is not even taken, if a receipt for Ben has found out before it.
    refused = done.event("message").get("reason") == "no_such_account" or done.error.get("error") == "identity_changed"
    check(done.code == 1 and refused, f"Anna's next message does not go: {done}")
    check(("identity_changed", ben.handle) in anna.run("receive").notices + [(n["notice"], n["peer"]) for n in anna.history() if n["event"] == "notice"],
          "and the alarm is in her history")
    check(("verify_again", ben.handle) in [(n["notice"], n["peer"]) for n in anna.history() if n["event"] == "notice"], "with 'verify again'")
    for to in (ben.handle, "Ben@Example.ORG"):
        done = anna.run("send", to, "refused")
        check(done.code == 1 and done.error.get("error") == "identity_changed" and "opaline accept" in done.error["message"], f"send to {to} is refused until accept")
    now = anna.run("verify", ben.handle).event("safety_number")
    check(now.get("safety_number", "") not in ("", before["safety_number"]) and now["identity_changed"] and not now["verified"],
          "the safety number is another, unverified, and says that the identity changed")
    check(anna.run("accept", ben.handle).event("accepted").get("peer") == ben.handle, "Anna accepts")
    check(anna.run("send", ben.handle, "to the new one").code == 0 and new.run("receive").texts == ["to the new one"], "and writes to the new device")
    check(new.run("verify", anna.handle).event("safety_number")["safety_number"] == now["safety_number"], "both see the same new number")
    both = [line["text"] for line in anna.history(ben.handle) if line["event"] == "message"]
    check(both == ["the first", "waits for ben", "to whom?", "to the new one"], f"history with Ben has both accounts: {both}")
    check("refused" not in both and anna.run("accept", ben.handle).error.get("error") == "no_alarm", "nothing refused was sent; accept again: no alarm")
    return anna, new


def story_new_holder_writes_first(check, world):
    """Takeover: the new holder writes first, and after an account was deleted"""
    anna, cleo = world.person("anna2"), world.person("cleo")
    anna.run("send", cleo.handle, "hello")
    cleo.run("receive")
    deleted = cleo.run("account", "delete", typed="DELETE\n")
    check(deleted.code == 0 and deleted.event("account_deleted"), f"Cleo deletes her account: {deleted}")
    check(anna.run("send", cleo.handle, "gone?").code == 1, "a message to her fails")
    done = anna.run("send", cleo.handle, "gone")
    check(done.error.get("error") == "no_such_handle", f"and she is not reachable: {done.error.get('message')}")
    new = world.home("cleo-new")
    new.register(cleo.handle)
    new.run("send", anna.handle, "it is me, Cleo")
    got = anna.run("receive")
    sender = got.event("message").get("from")
    check(got.texts == ["it is me, Cleo"] and sender != cleo.handle, f"who has her handle next is not shown by it ({sender})")
    check(("identity_changed", cleo.handle) in got.notices, "and the alarm comes with the message")
    check(anna.run("send", cleo.handle, "no").error.get("error") == "identity_changed", "send refuses")


def story_pin(check, world):
    """Registration PIN: no takeover without it"""
    dora = world.person("dora")
    check(dora.run("pin", "set", "--pin", "123").code == 1, "3 characters are no PIN")
    check(dora.run("pin", "set", typed="2580\n").event("pin").get("set") is True, "Dora sets one (from standard input)")
    check(dora.run("account").event("account")["pin_set"] is True, "account says so")
    thief = world.home("thief")
    done = thief.register(dora.handle)
    check(done.code == 1 and done.error.get("error") == "wrong_pin" and "--pin" in done.error["message"], f"without PIN: {done.error.get('message')}")
    done = thief.register(dora.handle, after=["1111", "2222"])
    tries = [line["tries_left"] for line in done.lines if line["event"] == "error"]
    check(done.code == 1 and tries == [4, 3], f"wrong PINs, one after the other: tries left {tries}")
    done = thief.register(dora.handle, options=["--pin", "3333"], after=["4444", "5555", "2580"])
    check(done.code == 1 and done.error.get("retry_after_seconds", 0) > 0, f"after five not even the right one, until tomorrow: {done.error}")
    check(dora.run("account").code == 0, "Dora's account is hers")
    done = thief.run("account")
    check(done.code == 1 and done.error.get("error") == "not_registered", f"the thief's home has none: {done.error.get('message')}")

    emil = world.person("emil")
    emil.run("pin", "set", "--pin", "four words")
    follow = emil.follow()
    new = world.home("emil-new")
    check(new.register(emil.handle, after=["wrong", "four words"]).code == 0, "with the PIN (the second typed) it is one's own handle again")
    check(follow.stop(None) == 1 and "registered its handle again" in follow.lines[-1].get("message", ""), f"the old device, connected, is told and ends: {follow.lines[-1:]}")
    check(new.run("account").event("account")["pin_set"] is False, "the new account has no PIN yet")
    check(new.run("pin", "remove").event("pin").get("set") is False, "removing none is fine")


def story_passphrase(check, world):
    """Passphrase and key file: what is on disk, and who may read it"""
    old = os.umask(0o022)
    greta = world.home("greta", options=["--passphrase-file", str(world.secret)])
    check(greta.register("greta@example.org", options=["--passphrase"]).code == 0, "Greta registers with a passphrase")
    ben = world.person("ben-of-greta")
    greta.run("send", ben.handle, "xylophone")
    ben.run("receive")
    ben.run("send", greta.handle, "zeppelin")
    greta.run("receive")
    os.umask(old)
    check(mode(greta.path) == "700" and all(mode(f) == ("700" if f.is_dir() else "600") for f in greta.path.iterdir()), "home and folders 0700, files 0600, whatever the umask")
    check(not (greta.path / "device.key").exists() and (ben.path / "device.key").stat().st_size == 32, "a key file only without passphrase")
    for home in (greta, ben):
        found = [(f.name, word) for f in home.path.iterdir() for word in (b"xylophone", b"zeppelin", b"greta", b"correct horse")
                 if stat.S_ISREG(f.stat().st_mode) and word in f.read_bytes()]
        check(not found, f"no text, handle or passphrase in clear in {home.path.name}: {found}")
    check(world.url.encode() in (greta.path / "opaline.db").read_bytes(), "the search works: the server's address is in clear, as docs/cli.md says")
    key = (ben.path / "device.key").read_bytes()
    check(key not in (ben.path / "opaline.db").read_bytes(), "nor is the key file's key in the database")

    plain = world.home("greta")
    done = plain.run("history")
    check(done.code == 1 and done.error.get("error") == "passphrase_needed" and "--passphrase-file" in done.error["message"], f"without: {done.error.get('message')}")
    wrong = world.directory / "wrong.txt"
    wrong.write_text("correct horse\n")
    done = world.home("greta", options=["--passphrase-file", str(wrong)]).run("history")
    check(done.code == 1 and done.error.get("error") == "wrong_passphrase", f"wrong: {done.error.get('message')}")
    done = world.home("greta", options=["--passphrase-file", str(world.directory / "none.txt")]).run("history")
    check(done.code == 1 and "none.txt" in done.error.get("message", ""), f"no such file: {done.error.get('message')}")

    shutil.copytree(greta.path, world.directory / "elsewhere" / "greta")
    shutil.copytree(ben.path, world.directory / "elsewhere" / "ben")
    moved = world.home("elsewhere/greta", options=["--passphrase-file", str(world.secret)])
    check(moved.run("send", ben.handle, "from elsewhere").code == 0, "a home copied to another place works")
    check(world.home("elsewhere/ben").run("receive").texts == ["from elsewhere"], "with a key file, too")
    (ben.path / "device.key").chmod(0o644)
    done = ben.run("history")
    check(done.code == 1 and done.error.get("error") == "permissions" and "chmod" in done.error["message"], f"a key file that others can read: {done.error.get('message')}")
    subprocess.run(re.search(r"chmod -R go= \S+", done.error["message"]).group().split(), check=True)
    check(ben.run("history").code == 0, "and what the message says mends it")
    ben.path.chmod(0o755)
    check(ben.run("history").error.get("error") == "permissions", "a home that others can read is refused")
    ben.path.chmod(0o700)
    (ben.path / "device.key").unlink()
    check(ben.run("history").error.get("error") == "wrong_passphrase", "without its key file it does not open")


def story_terminal(check, world):
    """At a terminal: questions, no echo, Ctrl-C"""
    handle = "tina@example.org"
    tina = world.home("tina")
    terminal = Terminal(tina.command("register", "--passphrase", handle, json_lines=False))
    terminal.answer("New passphrase for this home: ", "one thing")
    terminal.answer("The same again: ", "another thing")
    terminal.answer("New passphrase for this home: ", "one thing")
    terminal.answer("The same again: ", "one thing")
    terminal.answer("The 6 digits that were sent to you: ", "12345")
    code = wait_for("a code", lambda: world.codes(handle))[-1]
    terminal.answer("a code has six digits\r\nThe 6 digits that were sent to you: ", f"{code[:3]} {code[3:]}")
    check(terminal.end() == 0 and "Registered as tina@example.org" in terminal.text, "a passphrase typed twice, a mistyped code is asked for again")
    check("one thing" not in terminal.text and "another" not in terminal.text, "what is secret is not shown")
    terminal = Terminal(tina.command("pin", "set", json_lines=False))
    terminal.answer("Passphrase of this home: ", "one thing")
    terminal.answer("New registration PIN (4 to 64 characters): ", "2580")
    terminal.answer("The same again: ", "2580")
    check(terminal.end() == 0 and "The registration PIN is set" in terminal.text and "2580" not in terminal.text, "a PIN is asked for as a PIN, without echo")
    terminal = Terminal(tina.command("account", "delete", json_lines=False))
    terminal.answer("Passphrase of this home: ", "one thing")
    terminal.answer("Type DELETE to go on: ", "delete")
    check(terminal.end() == 1 and "nothing was deleted" in terminal.text, "delete wants the word")
    terminal = Terminal(world.home("tina-new").command("register", handle, json_lines=False))
    terminal.expect("The 6 digits that were sent to you: ")
    terminal.interrupt()
    check(terminal.end() == -signal.SIGINT, "Ctrl-C ends a question at once")
    check(world.home("tina-new").run("account").error.get("error") == "not_registered", "and leaves no account")


def story_beside(check, world):
    """send beside a running receive --follow, several at once"""
    hugo, ida = world.person("hugo"), world.person("ida")
    follow = hugo.follow()
    sends = [hugo.start("send", ida.handle, f"at once {i}") for i in range(6)]
    done = [hugo.end(process) for process in sends]
    check(all(d.code == 0 and d.event("message")["state"] == "sent" for d in done), f"6 at once beside receive --follow: {[d.code for d in done]}")
    got = ida.run("receive").texts
    check(sorted(got) == [f"at once {i}" for i in range(6)], "each arrives once")
    ida.run("send", hugo.handle, "an answer")
    follow.sees("the answer", lambda line: line.get("text") == "an answer")
    check([line["text"] for line in hugo.history() if line["event"] == "message"][-1] == "an answer", "history works beside it")
    done = hugo.run("receive")
    check(done.code == 1 and done.error.get("error") == "locked" and "send" in done.error["message"], f"a second receive is refused: {done.error.get('message')}")
    done = hugo.run("send", "nobody-at-all@example.org", "x")
    check(done.code == 1 and done.error.get("error") == "no_such_handle", "an error comes through as what it is")

    world.stop()
    done = hugo.run("send", ida.handle, "while it is down", "--wait", "0")
    check(done.code == 3 and done.event("message")["state"] == "queued", "server down: queued beside receive --follow, exit code 3")
    waits = hugo.start("send", ida.handle, "and another", "--wait", "60")
    wait_for("the message to be queued", lambda: any(line.get("text") == "and another" for line in hugo.history(ida.handle)))
    check(follow.stop() == 0, "Ctrl-C ends receive --follow, server or not")
    done = hugo.end(waits)
    check(done.code == 3 and done.event("message").get("state") == "queued", f"who waited in it is answered: {done}")
    done = ida.run("receive")
    check(done.code == 1 and done.error.get("error") == "connect_failed", f"receive without a server: {done.error.get('message')}")
    done = hugo.run("send", ida.handle, "the third", json_lines=False)
    check(done.code == 3 and "it goes out when the server is reached" in done.out, f"send alone: {done.out.strip()}")
    done = hugo.run("send", "stranger@example.org", "x")
    check(done.code == 1 and "never wrote to" in done.error.get("message", ""), f"to a stranger it cannot be queued: {done.error.get('message')}")
    follow = ida.follow()
    world.start()
    hugo.run("receive")
    follow.sees("the last", lambda line: line.get("text") == "the third")
    check(follow.texts == ["while it is down", "and another", "the third"], f"later, in order, once, to a receive --follow that waited: {follow.texts}")
    check(follow.stop(signal.SIGTERM) == 0, "SIGTERM ends it well, too")
    check(ida.run("receive").texts == [], "nothing comes twice")
    wait_for("the receipts", lambda: set((hugo.run("receive"), hugo.states(ida.handle))[1].values()) == {"read"})
    check(True, "and all of them show `read`")

    slow = hugo.start("send", ida.handle, "interrupted", "--until", "read", "--wait", "60")
    wait_for("the message to be sent", lambda: hugo.states(ida.handle).get("interrupted") == "sent")
    slow.send_signal(signal.SIGINT)
    done = hugo.end(slow)
    check(done.code == 0 and done.event("message").get("state") == "sent", f"Ctrl-C while send waits: the state that it has: {done.event('message').get('state')}")
    check(ida.run("receive").texts == ["interrupted"], "and it arrives")
    for taken in ("hugo", "ida"):
        check(not (world.directory / taken / "opaline.sock").exists(), f"no socket is left in {taken}'s home")


def story_receipts(check, world):
    """history in all its options; receipts switched off"""
    jan, kim = world.person("jan"), world.person("kim")
    check(jan.run("history").lines == [] and "nothing yet" in jan.run("history", json_lines=False).errors, "an empty history says so")
    check(kim.run("receipts", "off").event("receipts").get("on") is False, "Kim switches receipts off")
    jan.run("send", kim.handle, "one", "--until", "queued", "--wait", "0")
    read = kim.run("receive").texts  # perhaps it is still on its way
    jan.run("send", kim.handle, "two")
    read += kim.run("receive").texts
    check(read == ["one", "two"] and jan.run("receive").code == 0, f"Kim reads them: {read}")
    check(jan.states(kim.handle) == {"one": "sent", "two": "sent"}, f"Jan sees neither delivered nor read: {jan.states(kim.handle)}")
    check(kim.run("account").event("account")["receipts"] is False, "account says so")
    kim.run("receipts", "on")
    jan.run("send", kim.handle, "three")
    kim.run("receive")
    jan.run("receive")
    check(jan.states(kim.handle)["three"] == "read", "switched on again: read")
    texts = [line["text"] for line in jan.history("--limit", "2")]
    check(texts == ["two", "three"], f"--limit 2: the newest two, oldest first: {texts}")
    check(jan.history() == jan.history(kim.handle) and jan.history(jan.history()[-1]["account"]) == jan.history(kim.handle), "WITH: by handle or account id")
    check(jan.run("history", "stranger@example.org").error.get("error") == "unknown_peer", "WITH somebody unknown is an error")
    for limit in ("0", "-1", "x", "100001"):
        check(jan.run("history", "--limit", limit).code == 2, f"--limit {limit} is wrong usage")
    world.stop()
    check([line["text"] for line in jan.history() if line["event"] == "message"] == ["one", "two", "three"], "history needs no server")
    world.start()
    human = jan.run("history", json_lines=False).out.splitlines()
    check(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d  to kim@example\.org: three  \[read\]", human[-1]), f"for people: {human[-1]}")
    jan.run("send", kim.handle, "\x1b[2J\u202egnp.exe", typed="")
    check("\x1b" not in kim.run("receive", json_lines=False).out, "a text cannot rewrite the terminal")


def story_handles(check, world):
    """handle add and remove, account delete"""
    lena, mia = world.person("lena"), world.person("mia")
    more = "lena@work.example.org"
    done = lena.with_code(more, ["handle", "add", more], before=["000000"])
    check(done.code == 0 and done.event("account")["handles"] == [lena.handle, more], f"a second handle (a wrong code first): {done.event('account').get('handles')}")
    check(mia.run("send", more, "to the second").code == 0 and lena.run("receive").texts == ["to the second"], "she is reached by it")
    check(lena.run("send", more, "x").error.get("error") == "to_self", "it is her own")
    gone, never = (mia.run("send", who, "x") for who in ("other@work.example.org", "never@example.org"))
    check(lena.run("handle", "remove", more).event("account")["handles"] == [lena.handle], "she removes it")
    noa = world.person("noa")
    removed = noa.run("send", more, "x")
    check(removed.error.get("message", "").replace(more, "X") == never.error["message"].replace("never@example.org", "X") and gone.code == 1,
          f"lookups answer as for an unknown handle: {removed.error.get('message')}")
    check(lena.run("handle", "remove", more).code == 1 and "last handle" in lena.run("handle", "remove", lena.handle).error["message"], "not twice, and not the last one")
    check(lena.run("handle", "add", "no handle").code == 1, "what is no handle cannot be added")
    lena.run("pin", "set", "--pin", "2580")
    done = mia.with_code(lena.handle, ["handle", "add", lena.handle], after=["1111", "2580"])
    check(done.code == 0 and lena.handle in done.event("account")["handles"], f"somebody else's handle with its PIN is a takeover: {done.event('account').get('handles')}")
    check(lena.run("account").code == 1, "which ends the other account, whose only handle it was")

    noa.run("send", mia.handle, "for mia")
    before = world.destroyed()
    check(mia.run("account", "delete", typed="\n").code == 1 and mia.run("account").code == 0, "account delete wants DELETE")
    done = mia.run("account", "delete", "--yes")
    check(done.code == 0 and done.event("account_deleted"), "with --yes it does not ask")
    wait_for("her mailbox to be destroyed", lambda: world.destroyed() > before)
    check(True, "her mailbox is destroyed")
    for arguments in (["account"], ["receive"], ["send", noa.handle, "x"], ["account", "delete", "--yes"]):
        done = mia.run(*arguments)
        check(done.code == 1 and "was deleted" in done.error.get("message", ""), f"her home says what it is: {' '.join(arguments)}")
    done = mia.register(mia.handle)
    check(done.code == 1 and done.error.get("error") == "registered", f"and is not used for another account: {done.error.get('message')}")
    check(mia.history(), "its history can be read")
    check(world.person("mia-again", mia.handle).run("account").event("account")["handles"] == [mia.handle], "the handle is free")


STORIES = [story_takeover, story_new_holder_writes_first, story_pin, story_passphrase, story_terminal, story_beside, story_receipts, story_handles, files.story_files,
           codes.story_codes, *devices.STORIES, *beside.STORIES, *hurry.STORIES, codes.story_expired]


def main():
    source, programs, wanted = pathlib.Path(sys.argv[1]).resolve(), Programs(pathlib.Path(sys.argv[2]).resolve()), [name for name in sys.argv[3:] if name]
    stories = list(STORIES)
    if "--sanitized" in wanted:  # libfaketime does not go together with a sanitizer's own start
        wanted.remove("--sanitized")
        stories.remove(codes.story_expired)
    for name in ("OPALINE_HOME", "OPALINE_SERVER", "OPALINE_CA"):
        os.environ.pop(name, None)
    check = Checks()
    with tempfile.TemporaryDirectory(prefix="opaline-people-") as directory:
        world = World(programs, pathlib.Path(directory))
        try:
            for story in stories:
                if not wanted or story.__name__.removeprefix("story_") in wanted:
                    check.case(story, world)
            if not wanted or "mail" in wanted:
                check.case(mail.story_mail, world, source)
                check.case(mail.story_mail_trouble, world, source)
            if not wanted or "help" in wanted:
                check.case(printed_help.story_help, world, source)
                check.case(printed_help.story_examples, world)
                check.case(printed_help.story_errors, world)
            if not wanted:
                check.case(json_lines.story_documents, world, source)
        finally:
            check(world.stop() == 0, "the server has shut down cleanly")
    check.end()


if __name__ == "__main__":
    main()
