"""People's texts by short message: server, gateway, the role sms, a real Kannel and a fake carrier. Consent, parts, alphabets, reports, replies, budgets, kill -9, and
a search of everything that was written.

    python3 tests/system/sms_texts_test.py DIR_WITH_PROGRAMS [CASE ...]
"""
import atexit
import os
import pty
import subprocess
import sys
import urllib.request

from business_test import Gateway
from support import ABORTED, Aborted, Following, Server, opaline, people, run_cases, wait_for
import walkthrough_sms
from walkthrough_kannel import Kannel, is_here

if not is_here():
    sys.exit("Debian's Kannel is missing: tools/setup unpacks it")

BEN, EVA = "+4915112345678", "+436641234567"
MARKERS = []  # words of texts: in no file of anybody but the people's own homes


def marked(text):
    """A text with a word that is looked for at the end."""
    word = f"Marker{len(MARKERS)}Zx{os.urandom(4).hex()}"
    MARKERS.append(word)
    return f"{text} {word}"


class Role(walkthrough_sms.Role):
    def __init__(self, world, fault=None):
        super().__init__(world.programs.opalined, world.server, world.settings, world.scratch / "sms.log", fault)
        atexit.register(self.process.kill)

    def metric(self, name):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports['metrics']}/metrics", timeout=10) as answer:
            return next(int(line.split(" ")[1]) for line in answer.read().decode().splitlines() if line.split(" ")[0] == name)

    def look_for_abort(self):
        if ABORTED.search(self.said()):
            raise Aborted(self.said()[:6000])

    def dies(self):
        wait_for("the role sms to die", lambda: self.process.poll() is not None)
        self.look_for_abort()

    def stop(self):
        code = super().stop()
        self.look_for_abort()
        return code


class World:
    def __init__(self, programs, scratch):
        self.programs, self.scratch = programs, scratch
        self.kannel = Kannel(scratch / "kannel")
        self.kannel.start()
        atexit.register(self.kannel.stop)

        def without_carrier(server):
            (self.without,) = people(programs, server, scratch, "Greta")
            self.said_without = opaline(self.without, "send", BEN, "Hello Ben & co")
        carrier = walkthrough_sms.Carrier(programs.opalined, self.kannel, scratch, Server, lambda server: Gateway(programs, server), without_carrier)
        self.server, self.gateway = carrier.server, carrier.gateway
        self.settings = {**carrier.settings, "carrier.messages_per_person_per_day": 20}
        self.role = Role(self)
        self.anna, self.maria = people(programs, self.server, scratch, "Anna", "Maria")

    def arrived(self, count):
        return wait_for(f"{count} messages at the carrier", lambda: self.kannel.arrived if len(self.kannel.arrived) >= count else None)


def receives(person, wanted):
    """The first line like that, which `opaline receive` shows."""
    def look():
        return next((line for line in opaline(person, "receive").lines if wanted(line)), None)
    return wait_for(f"{person.name} to receive it", look)


def report(person, message):
    return receives(person, lambda line: line["event"] == "sms_report" and line["message"] == message)["report"]


def sent(done):
    """The line about the message."""
    return next((line for line in done.lines if line.get("event") == "message"), {})


def nobody(check, world):
    """A service without a carrier offers a link for one's own telephone"""
    done = world.said_without
    check(done.code == 1 and "not reachable here" in done.said, f"it is not sent: {done.said}")
    link = next((line["link"] for line in done.lines if line["event"] == "sms_link"), None)
    check(link == f"sms:{BEN}?body=Hello%20Ben%20%26%20co", f"the link: {link}")


def consent(check, world):
    """Without the person's word nothing is sent; with it the text arrives, is marked, and the carrier's report comes"""
    text = marked("Hello Ben")
    done = opaline(world.anna, "send", BEN, text)
    offer = next((line for line in done.lines if line["event"] == "sms_offer"), {})
    check(done.code == 1 and offer.get("parts") == 1 and offer.get("encrypted") is False, f"an offer, and no more: {offer}")
    plain = subprocess.run([*world.anna.command, "--server", world.server.url, "send", BEN, text], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    check("opaline send --sms" in plain.stdout and "not be encrypted" in plain.stdout, f"people read: {plain.stdout.strip()}")
    check(not world.kannel.arrived, "nothing has reached the carrier")
    mail = opaline(world.anna, "send", "--sms", "nobody@example.org", "x")
    check(mail.code == 1 and "no telephone number" in mail.said, f"an address is no number: {mail.said}")
    here = opaline(world.anna, "send", "maria@example.org", "hello Maria")
    check(sent(here).get("reachable") == "opaline", "who is here is written to as ever")
    done = opaline(world.anna, "send", "--sms", "+49 (151) 12345-678", text)
    line = sent(done)
    check(done.code == 0 and line.get("via") == "sms" and line.get("encrypted") is False and line.get("reachable") == "sms" and line.get("to") == BEN, f"with the word it goes: {done}")
    check(line.get("text") == text and line.get("state") == "sent", "as it was written")
    arrived = world.arrived(1)
    check(BEN in arrived[0] and MARKERS[-1] in arrived[0], f"the carrier has it: {arrived}")
    check(report(world.anna, line["id"]) == "delivered", "and its report has come")
    shown = opaline(world.anna, "history", BEN).lines
    check([each["event"] for each in shown if each.get("via") == "sms"] == ["message", "sms_report"], f"both stand under the number: {shown}")
    check(all(each["encrypted"] is False for each in shown if each.get("via") == "sms"), "marked as not encrypted")


def asked(check, world):
    """At a terminal the person is asked; beside `receive --follow` the flag works, too, and reports are shown as they come"""
    before = len(world.kannel.arrived)
    for word, code in (("n", 1), ("", 1), ("y", 0)):
        ours, theirs = pty.openpty()
        os.write(ours, f"{word}\n".encode())
        done = subprocess.run([*world.anna.command, "--server", world.server.url, "send", BEN, marked(f"asked {word}")], capture_output=True, text=True, stdin=theirs)
        os.close(ours)
        os.close(theirs)
        check(done.returncode == code and ("not encrypted" in done.stdout) == (code == 0), f"'{word}': {done.stdout.splitlines()[-1:]} {done.stderr.strip()}")
    arrived = world.arrived(before + 1)[before:]
    check(len(arrived) == 1 and MARKERS[-1] in arrived[0], f"only after y it is sent: {arrived}")
    follower = Following(world.anna)
    wait_for("the follower to show the report", lambda: [line for line in follower.lines if line["event"] == "sms_report"])
    refused = opaline(world.anna, "send", BEN, "hello")
    check(refused.code == 1 and "not reachable here" in refused.said, "what follows does not send it by itself")
    done = opaline(world.anna, "send", "--sms", BEN, marked("beside"))
    check(done.code == 0 and sent(done).get("via") == "sms", f"with the flag it goes: {done}")
    wait_for("its report", lambda: [line for line in follower.lines if line.get("message") == sent(done)["id"] and line["event"] == "sms_report"])
    check(not [line for line in follower.lines if line["event"] == "state"], "no state of the carrier's software is shown as a telephone's")
    check(follower.stop() == 0, "the follower ends")


def alphabets(check, world):
    """Long texts go in parts, and other letters than a telephone's own as UCS-2"""
    before = len(world.kannel.arrived)
    word = marked("")
    done = opaline(world.anna, "send", "--sms", BEN, "a" * 300 + word)
    arrived = world.arrived(before + 3)[before:]
    check(len(arrived) == 3 and "".join(arrived).count("a") >= 300, f"3 parts: {[len(part) for part in arrived]}")
    check(report(world.anna, sent(done)["id"]) == "delivered", "its report has come")
    before = len(world.kannel.arrived)
    done = opaline(world.anna, "send", "--sms", BEN, "Привет 😀")
    arrived = world.arrived(before + 1)[before:]
    data = arrived[0].replace("%", "").replace("+", "20").lower()
    check("041f0440" in data or "%04%1f" in arrived[0].lower(), f"the carrier has UTF-16: {arrived}")
    check(report(world.anna, sent(done)["id"]) == "delivered", "its report has come")
    long = opaline(world.anna, "send", "--sms", BEN, "b" * 1531)
    check(long.code == 1 and "too long" in long.said, f"eleven parts are too many: {long.said}")


def replies(check, world):
    """A reply comes to who wrote last, under the number; a stranger's is dropped and counted"""
    text, strange = marked("Yes"), marked("Win")
    dropped = world.role.metric('opaline_sms_replies_total{outcome="dropped"}')
    world.kannel.brings((BEN[1:], text))
    line = receives(world.anna, lambda line: line.get("direction") == "in")
    check(line["text"] == text and line["from"] == BEN and line["via"] == "sms" and line["encrypted"] is False, f"Anna has it: {line}")
    world.kannel.brings(("4917600000000", strange))
    wait_for("the stranger to be counted", lambda: world.role.metric('opaline_sms_replies_total{outcome="dropped"}') == dropped + 1)
    check(not [line for line in opaline(world.anna, "history").lines if strange in line.get("text", "")], "nobody has got the stranger's")
    check(text in [line.get("text") for line in opaline(world.anna, "history", BEN).lines], "it stands under the number")


def killed(check, world):
    """kill -9 of the role at each step: nothing is sent twice, and what nobody can know is said"""
    wait_for("the role to have nothing left to tell", lambda: world.role.metric("opaline_sms_untold") == 0)
    for fault, arrives, fate in (("sms.after_row", 0, "unknown"), ("sms.after_kannel", 1, None), ("sms.after_told", 1, "delivered")):
        world.role.stop()
        world.role = Role(world, fault)
        before = len(world.kannel.arrived)
        done = opaline(world.anna, "send", "--sms", EVA, marked(fault), "--wait", "5")
        world.role.dies()
        world.role = Role(world)
        got = receives(world.anna, lambda line: line["event"] == "sms_report" and line["message"] == sent(done)["id"])["report"]
        check(got == fate or fate is None and got in ("unknown", "delivered"), f"{fault}: Anna is told '{got}'")
        following = sent(opaline(world.anna, "send", "--sms", EVA, "and the next"))["id"]
        world.arrived(before + arrives + 1)
        report(world.anna, following)
        wait_for("the role to have nothing left to tell", lambda: world.role.metric("opaline_sms_untold") == 0)  # a role that starts tells it, and dies there
        again = [text for text in world.kannel.arrived[before:] if MARKERS[-1] in text]
        check(len(again) == arrives, f"{fault}: at the carrier {len(again)} times")


def budget(check, world):
    """Who has sent enough today is told when to come back; others go on"""
    before = len(world.kannel.arrived)
    results = [sent(opaline(world.maria, "send", "--sms", EVA, "c" * 153 * 7))["id"] for _ in range(3)]
    line = receives(world.maria, lambda line: line["event"] == "sms_report" and line["message"] == results[2])
    check(line["report"] == "over_budget" and 0 < line["retry_after_seconds"] <= 86_400, f"the third of 7 parts is over the budget of 20: {line}")
    world.arrived(before + 14)
    check(len(world.kannel.arrived) == before + 14, "14 parts have reached the carrier")
    check(world.role.metric('opaline_sms_fates_total{fate="over_budget"}') == 1, "and it is counted")


def searched(check, world):
    """No file of Kannel, of the role sms, of the gateway or of the service has a word of what people wrote"""
    check(len(MARKERS) >= 6, f"{len(MARKERS)} words are looked for")
    world.gateway.stop()
    check(world.role.stop() == 0, "the role ends cleanly")
    homes = {person.home for person in (world.anna, world.maria, world.without)}
    files = [file for file in world.scratch.rglob("*") if file.is_file() and not any(home in file.parents for home in homes)]
    names = {file.name for file in files}
    check({"bearerbox.log", "smsbox.log", "sms.log", "gateway.log"} <= names and len(files) > 30, f"{len(files)} files")
    found = [(file.name, word) for file in files for word in MARKERS if word.encode() in file.read_bytes()]
    check(not found, f"none of them has one: {found}")
    numbers = [file for file in files if file.is_relative_to(world.server.directory / "sms") or file.name == "sms.log"]
    check(numbers and not [file.name for file in numbers if any(number[1:].encode() in file.read_bytes() for number in (BEN, EVA))], "nor do the role's data or log have a number")


if __name__ == "__main__":
    run_cases("sms-texts", {"nobody": nobody, "consent": consent, "asked": asked, "alphabets": alphabets, "replies": replies, "killed": killed, "budget": budget, "searched": searched},
              lambda programs, scratch: [World(programs, scratch)])
