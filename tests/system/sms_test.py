"""Codes by short message through a real Kannel with a fake carrier: they arrive, nothing of them is left in any file, and what fails is said.

    python3 tests/system/sms_test.py DIR_WITH_PROGRAMS
"""
import pathlib
import sys

from support import Server, opaline, run_cases, wait_for
from walkthrough import Person
from walkthrough_kannel import Kannel, is_here

if not is_here():
    sys.exit("Debian's Kannel is missing: tools/setup unpacks it")

REPLY = "WhatSomebodyAnswered"


def by_carrier(world, handle, name):
    """A person who registers with the code that the carrier brings."""
    server = world.server

    class Reached:  # what a Person asks of a server
        url, directory = server.url, server.directory
        code_for = staticmethod(world.kannel.code_for)
    return Person(name, handle, world.programs.opaline, Reached, world.scratch)


class World:
    def __init__(self, programs, scratch):
        self.programs, self.scratch = programs, scratch
        self.kannel = Kannel(scratch / "kannel")
        self.kannel.start(("4912345", REPLY))
        self.server = Server(programs.opalined, scratch / "server", True, settings=(
            f"sms.url={self.kannel.url}", f"sms.password_file={self.kannel.password}", "sms.messages_per_country_per_day=4"))


def arrives(check, world):
    """A number gets its code by short message, and no file of Kannel or the service has it"""
    person = by_carrier(world, "+4915112345678", "Anna")
    registered, code = person.register()
    check(registered is not None, f"registered with the code that came to the telephone: {world.kannel.arrived}")
    check(len(world.kannel.arrived) == 1 and "+4915112345678" in world.kannel.arrived[0], "one message, to that number")
    check(world.server.code_for("+4915112345678") is None, "it did not go elsewhere, too")
    files = [file for file in world.kannel.directory.rglob("*") if file.is_file()]
    check(len(files) >= 6, f"Kannel has files to be searched: {[file.name for file in files]}")
    secrets = (code.encode(), b"Whoever has it", REPLY.encode())
    check(not [file.name for file in files if any(secret in file.read_bytes() for secret in secrets)], "none of them has the code, the text, or what somebody answered")
    found, count = world.server.files_with(code)
    check(not found and count > 5, f"nor has one of the service's {count}: {found}")


def mails(check, world):
    """An e-mail address is reached as before"""
    anna = Person("Maria", "maria@example.org", world.programs.opaline, world.server, world.scratch)
    registered, _ = anna.register()
    check(registered is not None, "by the outbox of a development server")


def budget(check, world):
    """Numbers of a country that has had its share are told to come back"""
    before = len(world.kannel.arrived)
    answers = [opaline(by_carrier(world, f"+3612345{i:03}", f"Robot{i}"), "--ca", world.server.directory / "ca.pem", "register", f"+3612345{i:03}") for i in range(6)]
    wait_for("those within the budget", lambda: len(world.kannel.arrived) >= before + 4)
    check(len(world.kannel.arrived) == before + 4, f"four messages for six numbers: {len(world.kannel.arrived) - before}")
    check(sum("Too many codes" in answer.said for answer in answers) == 2, f"two are told so: {[answer.said for answer in answers]}")
    check(world.server.metric('opaline_registration_short_messages_total{outcome="over_budget"}') == 2, "and counted")


def down(check, world):
    """Kannel is down: people hear it"""
    world.kannel.stop()
    first = opaline(by_carrier(world, "+436641234567", "Vera"), "--ca", world.server.directory / "ca.pem", "register", "+436641234567")
    wait_for("the service to notice", lambda: world.server.metric('opaline_registration_short_messages_total{outcome="failed"}') == 1)
    second = opaline(by_carrier(world, "+436641234568", "Wera"), "--ca", world.server.directory / "ca.pem", "register", "+436641234568")
    check("cannot be sent" in second.said, f"who asks next is told: {second.said} (the first: {first.said})")
    check("sms.failing" in pathlib.Path(world.server.log.name).read_text(), "the log says it")
    check("+43664" not in pathlib.Path(world.server.log.name).read_text(), "without a number")


if __name__ == "__main__":
    run_cases("sms", {"arrives": arrives, "mails": mails, "budget": budget, "down": down}, lambda programs, scratch: [World(programs, scratch)])
