"""Stories of two terminals: everything that a person does while `receive --follow` runs in another one."""
import signal
import socket

from devices import Running, numbers
from support import wait_for
from terminal import Terminal


def whole(follow, text):
    follow.sees(text, lambda line: line.get("text") == text)
    return follow.texts.count(text) == 1


def story_lend(check, world):
    """Two terminals: every command beside receive --follow"""
    phone, ben = world.person("otto"), world.person("ben-of-otto")
    ben.run("send", phone.handle, "the first")
    follow = phone.follow()
    check(whole(follow, "the first"), "receive --follow runs in one terminal")

    number = phone.run("verify", ben.handle, "--confirm")
    check(number.code == 0 and number.event("safety_number").get("verified"), f"verify works in another: {number}")
    for arguments, event in ((["block", ben.handle], "blocked"), (["unblock", ben.handle], "blocked"), (["receipts", "off"], "receipts"), (["receipts", "on"], "receipts"),
                             (["devices", "rename", "phone"], "device_renamed"), (["account"], "account"), (["pin", "set", "--pin", "2580"], "pin")):
        done = phone.run(*arguments)
        check(done.code == 0 and done.event(event), f"so does {' '.join(arguments)}: {done if done.code else ''}")
    check(phone.run("accept", ben.handle).error.get("error") == "no_alarm", "and accept")
    secret, file = world.directory / "otto.txt", world.directory / "otto.recovery"
    secret.write_text("correct horse battery staple\n")
    check(phone.run("recovery", "export", file, "--recovery-passphrase-file", secret).code == 0 and file.exists(), "recovery export writes its file")
    for i in range(2):
        ben.run("send", phone.handle, f"still there {i}")
        check(whole(follow, f"still there {i}"), "the first terminal goes on to show what comes, once")

    several = [phone.start("verify", ben.handle) for _ in range(4)]
    several.append(phone.start("send", ben.handle, "in the middle of it"))
    codes = [phone.end(process).code for process in several]
    check(codes == [0] * 5, f"five at once: {codes}")

    tablet, laptop = world.home("otto-tablet"), world.home("otto-laptop")
    new = Running(tablet, "link", "--name", "tablet")
    done = phone.run("devices", "add", new.event("link_code")["code"], "--yes")
    check(done.code == 0 and new.end() == 0, f"devices add with the code: {done}")
    new = Running(laptop, "link", "--name", "laptop", "--with-history")
    old = Running(phone, "devices", "add", new.event("link_code")["number"])
    old.event("link_digits"), new.event("link_digits")
    done = phone.run("send", ben.handle, "in between", "--wait", "0")
    check(done.code == 1 and done.error.get("error") == "locked" and "ask" in done.error["message"], f"while it asks, send says what has the home: {done.error}")
    ben.run("send", phone.handle, "while the digits are compared")
    for each in (new, old):
        each.type("yes")
    old.event("device_proposed")
    old.type("yes")
    check(new.end() == 0 and old.end() == 0 and numbers(phone) == [1, 2, 3], "devices add with the number")
    check("the first" in [line.get("text") for line in laptop.history()], "and the history")
    check(whole(follow, "while the digits are compared"), "what came while the digits were compared is shown then")
    check("in between" not in [line.get("text") for line in phone.history()], "and what send did not take is not sent later")

    asks = Terminal(phone.command("devices", "remove", "3", json_lines=False))
    asks.expect("(yes/no)")
    asks.interrupt()
    check(asks.end() == -signal.SIGINT and numbers(phone) == [1, 2, 3], "Ctrl-C at a question ends the command, and nothing is done")
    asks = Running(phone, "devices", "remove", "3")
    wait_for("devices remove to have the home", lambda: phone.run("send", ben.handle, "x", "--wait", "0").code == 1)
    asks.kill()
    ben.run("send", phone.handle, "after a kill")
    check(whole(follow, "after a kill"), "kill -9 of a command that has the home: receive --follow is back")
    check(phone.run("devices", "remove", "3", "--yes").code == 0 and numbers(phone) == [1, 2], "devices remove")
    check(phone.run("delete", ben.handle, "--yes").code == 0 and phone.run("conversations").lines == [], "delete")

    ben.run("send", phone.handle, "back again")
    check(whole(follow, "back again"), "receive --follow has the home again")
    for arguments in (["link"], ["register", "otto@example.org"], ["recovery", "import", file, "--recovery-passphrase-file", secret]):
        done = phone.run(*arguments)
        check(done.code == 1 and done.error.get("error") == "locked" and "stop `opaline receive --follow` first" in done.error["message"],
              f"{arguments[0]} says what to do: {done.error.get('message')}")
    check(follow.stop() == 0, "Ctrl-C ends it")

    follow = phone.follow()
    new = Running(world.home("otto-third"), "link")
    code = new.event("link_code")["number"]
    asks = Running(phone, "devices", "add", code)
    asks.event("link_digits")
    check(follow.stop() == 0, "so does Ctrl-C while another command has the home")
    asks.type("no")
    new.type("no")
    check(asks.end() == 1 and new.end() == 1, "which goes on by itself")


def story_socket(check, world):
    """Two terminals: who else is on the socket, and homes with a passphrase"""
    uwe = world.home("uwe", options=["--passphrase-file", str(world.secret)])
    uwe.register("uwe@example.org", options=["--passphrase"])
    ben = world.person("ben-of-uwe")
    follow = uwe.follow()
    wrong = world.directory / "wrong-of-uwe.txt"
    wrong.write_text("not it\n")
    done = world.home("uwe", options=["--passphrase-file", str(wrong)]).run("block", ben.handle)
    check(done.code == 1 and done.error.get("error") == "wrong_passphrase", f"without the passphrase nothing is lent: {done.error.get('message')}")
    check(uwe.run("verify", ben.handle).code == 0, "with it, it is")

    def connect():
        peer = socket.socket(socket.AF_UNIX)
        peer.connect(str(uwe.path / "opaline.sock"))
        return peer

    idle = [connect() for _ in range(3)]
    idle[1].sendall(b"POST /lend HTTP/1.1\r\nHost: localhost\r\nContent-Le")
    idle[2].sendall(b"\x16\x03\x01" + bytes(200))
    for body in (b"[]", b"{", b'{"to":1}', b"\xff" * 300, b"{" * 5000):
        peer = connect()
        for target in (b"/send", b"/resolve", b"/nothing"):
            peer.sendall(b"POST " + target + b" HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            check(peer.recv(4096).startswith(b"HTTP/1.1 400"), f"nonsense to {target.decode()} is refused")
        peer.close()
    with connect() as peer:
        peer.sendall(b"POST /send HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n")
        check(b" 413 " in peer.recv(4096), "a body without end, too")
    for leaves_at_once in (True, False):
        with connect() as peer:  # asks for the home and never comes
            peer.sendall(b"POST /lend HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}")
            if not leaves_at_once:
                check(peer.recv(4096).startswith(b"HTTP/1.1 200"), "somebody asks for the home and does not come")
        text = f"after it {leaves_at_once}"
        ben.run("send", "uwe@example.org", text)
        check(whole(follow, text), "receive --follow is back")
    for peer in idle:
        peer.close()
    check(uwe.run("send", ben.handle, "all is well").code == 0 and follow.stop(signal.SIGTERM) == 0, "and all is well")


STORIES = [story_lend, story_socket]
