"""The roots of personas (docs/adr/0015-personas.md, "A new root"): after a device was removed, where the only one that had them is lost, and at a server that was set back.

    python3 tests/system/persona_roots_test.py DIR_WITH_PROGRAMS PLAY_BUSINESS [CASE ...]
"""
import pathlib
import shutil
import subprocess
import sys
import tempfile

from businesses_test import Business, begin, programs, sent, standing
from support import Checks, Person, Server, opaline, quietly
from walkthrough import link

IDENTITY_CHANGED, LIST_ROLLED_BACK, LIST_FORKED, LIST_CHANGED, LIST_UNSIGNED = 4, 5, 6, 8, 13
ALARMS = {IDENTITY_CHANGED, LIST_ROLLED_BACK, LIST_FORKED, LIST_UNSIGNED}
POINTS = ("made", "taken", "told")


def second(anna, server, directory, name="Laptop"):
    laptop = Person(name, anna.handle, programs.opaline, server, directory)
    quietly(link, anna, laptop, lambda *_: None, "--name", name.lower())
    for who in (anna, laptop, anna, laptop):  # it asks the primary device for the personas, which has to be there
        opaline(who, "receive", "--wait", "1")
    return laptop


def number_of(person, name):
    return next(line["device"] for line in opaline(person, "devices").lines if line["name"] == name)


def talk(check, shop, persona, person, what):
    done = opaline(person, "send", shop.urn, f"{what}, from {person.name}")
    check(sent(done) and shop.got(f"{what}, from {person.name}")["from"] == persona, f"{what}: {person.name} writes, as the same person {done}")
    shop.say(persona, f"{what}, to {person.name}")
    opaline(person, "receive", "--wait", "2")
    check(f"{what}, to {person.name}" in opaline(person, "history", shop.urn).texts, f"{what}: and is answered")


def no_alarm(check, *businesses, people=(), but=None):
    seen = [line for business in businesses for line in business.lines if line.get("notice") in ALARMS]
    check(not seen, f"no gateway sees an alarm {seen}")
    kinds = {"identity_changed", "list_rolled_back", "list_forked", "list_unsigned", "own_list_forged"}
    seen = [(who.name, line) for who in people for line in opaline(who, "history", "--limit", "1000").lines if line.get("notice") in kinds - {but}]
    check(not seen, f"nor does a person {seen}")


def renewed(business):
    return sum(line.get("notice") == LIST_CHANGED for line in business.lines)


def case_removed(check, directory):
    """A removed device that kept its whole home learns nothing of what comes later"""
    server, (anna,) = begin(directory, "Anna")
    shop, bank = Business(server, directory, "Shop"), Business(server, directory, "Bank")
    laptop, tablet = second(anna, server, directory), second(anna, server, directory, "Tablet")
    try:
        opaline(anna, "send", shop.urn, "hello")
        persona = shop.got("hello")["from"]
        for who in (laptop, tablet):
            opaline(who, "receive")
            talk(check, shop, persona, who, "before")
        opaline(anna, "business", "close", bank.urn)
        for point in POINTS:
            # Each time another device goes, so another root is due.
            goes = second(anna, server, directory, f"Old {point}")
            opaline(goes, "receive")
            talk(check, shop, persona, goes, point)
            kept = directory / f"kept {point}"
            shutil.copytree(goes.home, kept)
            done = opaline(anna, "devices", "remove", str(number_of(anna, f"old {point}")), "--yes", fault=f"client.persona_root_{point}")
            check(done.code == -9, f"{point}: it dies there {done}")
            opaline(anna, "receive", "--wait", "2")
            opaline(tablet, "receive", "--wait", "2")
            before = len(opaline(goes, "history", shop.urn).texts)
            for who in (anna, tablet):
                talk(check, shop, persona, who, f"after {point}")
            check(opaline(goes, "receive").lines[-1].get("error") == "removed", f"{point}: who was removed is not let in")
            check(opaline(goes, "send", shop.urn, "as I was").code != 0 and not shop.count("as I was"), f"{point}: writes nothing")
            check(len(opaline(goes, "history", shop.urn).texts) == before, f"{point}: and reads nothing")
        done = opaline(anna, "devices", "remove", str(number_of(anna, "laptop")), "--yes")
        check(done.code == 0, f"another one goes {done}")
        changes = renewed(shop)
        opaline(tablet, "receive", "--wait", "2")
        talk(check, shop, persona, tablet, "in the end")
        check(renewed(shop) > changes, "the gateway has taken another list")
        check(sent(opaline(anna, "send", bank.urn, "first")), "what is opened later")
        check(opaline(laptop, "send", bank.urn, "me too").code != 0 and not bank.count("me too"), "is closed to who was removed")
        no_alarm(check, shop, bank, people=(anna, tablet))
    finally:
        shop.end(), bank.end(), server.stop()


def case_lost(check, directory):
    """The only device that has the root is lost: the others go on, as the same person"""
    server, (anna,) = begin(directory, "Anna")
    shop = Business(server, directory, "Shop")
    laptop = second(anna, server, directory)
    try:
        opaline(laptop, "send", shop.urn, "hello")
        persona = shop.got("hello")["from"]
        shop.say(persona, "never to be read")
        # The word of it is on its way to Anna's phone, and its device lost: as if the phone had never been told.
        done = opaline(anna, "devices", "remove", str(number_of(anna, "laptop")), "--yes")
        check(done.code == 0, f"the laptop is removed {done}")
        done = opaline(anna, "send", shop.urn, "it is me")
        check(sent(done) and shop.got("it is me")["from"] == persona, f"the phone goes on, as the same person {done}")
        talk(check, shop, persona, anna, "later")
        check("never to be read" not in opaline(anna, "history", shop.urn).texts, "what waited for the other one is lost")
        no_alarm(check, shop, people=(anna,))
    finally:
        shop.end(), server.stop()


def opalined(server, *arguments):
    subprocess.run([programs.opalined, "--dev", server.directory, *arguments, "--passphrase-file", server.directory.parent / "secret"], check=True, stdout=subprocess.DEVNULL)


def case_set_back(check, directory):
    """The server comes back from before devices joined, roots were renewed and conversations opened"""
    server, (anna,) = begin(directory, "Anna")
    (directory / "secret").write_text("correct horse battery\n")
    shop, bank, cafe = (Business(server, directory, name) for name in ("Shop", "Bank", "Cafe"))
    laptop, tablet = second(anna, server, directory), second(anna, server, directory, "Tablet")
    people = (anna, laptop, tablet)
    personas = {}
    try:
        for business in (shop, cafe):
            opaline(anna, "send", business.urn, "hello")
            personas[business.urn] = business.got("hello")["from"]
        server.stop()
        opalined(server, "backup", directory / "backup")
        for one in (shop, bank, cafe):
            one.process.kill()
        server = Server(programs.opalined, server.directory, True)
        for who in people:
            who.server = server
        for one in (shop, bank, cafe):
            one.begin(server)
        # Since then: the laptop joins the shop, the bank is opened, the cafe is closed and opened again.
        opaline(laptop, "receive")
        talk(check, shop, personas[shop.urn], laptop, "before")
        opaline(anna, "send", bank.urn, "hello")
        personas[bank.urn] = bank.got("hello")["from"]
        opaline(anna, "business", "close", cafe.urn)
        opaline(anna, "send", cafe.urn, "again")
        cafe.got("again")
        for who in (laptop, tablet, anna):
            opaline(who, "receive", "--wait", "2")
        server.process.kill()
        server.process.wait()
        for one in (shop, bank, cafe):
            one.process.kill()
        for name in ("data", "vault"):
            shutil.rmtree(server.directory / name)
        opalined(server, "restore", directory / "backup")
        server = Server(programs.opalined, server.directory, True)
        for who in people:
            who.server = server
        for one in (shop, bank, cafe):
            one.begin(server)
        for who in people:
            opaline(who, "receive", "--wait", "2")
        for business in (shop, bank, cafe):
            for who in (laptop, anna, tablet):
                opaline(who, "receive", "--wait", "2")
                talk(check, business, personas[business.urn], who, "afterwards")
        no_alarm(check, shop, bank, cafe, people=people, but="own_list_forged")  # that the service shows an older list is said
    finally:
        shop.end(), bank.end(), cafe.end(), server.stop()


CASES = {name.removeprefix("case_"): function for name, function in list(globals().items()) if name.startswith("case_") and function.__module__ == __name__}


if __name__ == "__main__":
    check = Checks()
    for name in sys.argv[3:] or CASES:
        with tempfile.TemporaryDirectory(prefix="opaline-roots-") as scratch:
            check.case(CASES[name], pathlib.Path(scratch))
    check.end()
