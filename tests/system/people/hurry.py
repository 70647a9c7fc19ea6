"""A new user in a hurry: wrong order, no server, words without quotes, a folder that is not there, the wrong device."""
import shutil
import signal

from devices import Running, by_code
from terminal import Terminal


def story_hurry(check, world):
    """A new user in a hurry: what is said when it is done wrongly"""
    early = world.home("hurry-early", server=False)
    done = early.run("--server", "https://localhost:1", "register", "early@example.org")
    check(done.code == 1 and done.error.get("error") == "connect_failed", f"a server that is not there: {done.error.get('message')}")
    done = early.run("devices")
    check(done.error.get("error") == "not_registered" and "not finished" in done.error["message"], f"then devices says what is missing: {done.error.get('message')}")
    (early.path / "opaline.db").unlink()
    check("put opaline.db back" in early.run("devices").error.get("message", ""), "a home that lost its database is told of that")

    rosa, sven = world.person("rosa"), world.person("sven")
    check("nothing new" in rosa.run("receive", json_lines=False).errors and rosa.run("receive").lines == [], "receive says when there is nothing")
    done = rosa.run("send", sven.handle, "hello", "there", json_lines=False)
    check(done.code == 2 and '"hello there"' in done.errors, f"a text without quotes: {done.errors.strip()}")

    file, into = world.directory / "hurry.txt", world.directory / "hurry-in"
    file.write_text("in a hurry")
    rosa.run("send", sven.handle, "for you", "--attach", file)
    done = sven.run("receive", "--files", into)
    check(done.code == 1 and done.texts == [] and "make it first" in done.error["message"], f"a folder that is not there: {done.error.get('message')}")
    into.mkdir()
    done = sven.run("receive", "--files", into)
    check(done.texts == ["for you"] and (into / "hurry.txt").exists(), "nothing was taken for shown or fetched meanwhile")
    check("nothing new" not in sven.run("history", json_lines=False).errors, "history says nothing of that")

    laptop = world.home("rosa-laptop")
    new = laptop.start("link", "--name", "laptop", json_lines=False)
    shown = ""
    while "Show the code" not in shown and (line := new.stdout.readline()):
        shown += line
    code = next(word for word in shown.split() if word.startswith("opaline-link:"))
    done = rosa.run("devices", "add", code, "--yes")
    linked = laptop.end(new)
    check(done.code == 0 and linked.code == 0 and "no messages to give" not in linked.errors, f"without history nothing is said of the other device's: {linked.errors.strip()}")
    for home, number, error in ((laptop, "1", "not_primary"), (rosa, "7", "unknown_device")):
        done = home.run("devices", "remove", number, json_lines=False)
        check(done.code == 1 and "(yes/no)" not in done.out + done.errors, f"{error} is said before anything is asked: {done.errors.strip()}")
        check(home.run("devices", "remove", number, "--yes").error.get("error") == error, f"its name is {error}")

    third = Running(world.home("rosa-third"), "link")
    number = third.event("link_code")["number"]
    old = Running(rosa, "devices", "add", number[:3], number[3:6], number[6:])
    check(old.event("link_digits") != {}, "the number may be typed with its gaps, without quotes")
    old.type("no"), third.type("no")
    old.end(), third.end()


def story_waiting(check, world):
    """Two terminals without receive --follow: each waits for the other"""
    tom, udo = world.person("tom"), world.person("udo")
    by_code(tom, world.home("tom-tablet"))
    asks = Terminal(tom.command("devices", "remove", "2", json_lines=False))
    asks.expect("(yes/no)")
    waits = [tom.start("send", udo.handle, "after the question", json_lines=False), tom.start("receive", json_lines=False)]
    check(all("waiting until it has ended" in each.stderr.readline() for each in waits), "send and receive wait for a command that asks, and say so")
    asks.interrupt()
    check(asks.end() == -signal.SIGINT and all(tom.end(each).code == 0 for each in waits), "then they do what they were asked to")
    check(udo.run("receive").texts == ["after the question"], "once")

    shutil.copytree(tom.path, world.directory / "tom-copy")
    follow = tom.follow()
    tom_again = world.home("tom-copy").follow()
    check(follow.stop(None) == 1 and "two copies of this home" in follow.lines[-1].get("message", ""), f"a copy of a home that connects: {follow.lines[-1:]}")
    check(tom_again.stop() == 0, "the later one has the connection")


STORIES = [story_hurry, story_waiting]
