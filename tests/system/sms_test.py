"""Codes by short message through a real Kannel with a fake carrier: they arrive, nothing of them is left in any file, and what fails is said.

    python3 tests/system/sms_test.py DIR_WITH_PROGRAMS
"""
import pathlib
import re
import socket
import subprocess
import sys
import threading

from support import SOURCE, Server, opaline, run_cases, wait_for
from walkthrough import Person

ROOT = pathlib.Path(subprocess.run([SOURCE / "tools" / "setup", "--print-prefix"], capture_output=True, text=True, check=True).stdout.strip()) / "kannel"
BEARERBOX, SMSBOX, CARRIER = (ROOT / "usr" / place for place in ("sbin/bearerbox", "sbin/smsbox", "lib/kannel/test/fakesmsc"))
if not CARRIER.exists():
    sys.exit("Debian's Kannel is missing: tools/setup unpacks it")


REPLY = "WhatSomebodyAnswered"


class Kannel:
    """bearerbox, smsbox and a carrier, from packaging/kannel.conf: ports, passwords and places are all that is changed."""

    def __init__(self, directory):
        self.directory = directory
        directory.mkdir()
        self.ports = {name: free_port() for name in ("13000", "13001", "13013", "10000")}
        text = (SOURCE / "packaging" / "kannel.conf").read_text()
        for name, port in self.ports.items():
            text = re.sub(rf"^((?:admin|smsbox|bearerbox|sendsms)?-?port = ){name}$", rf"\g<1>{port}", text, flags=re.MULTILINE)
        text = text.replace("/var/log/kannel", str(directory)).replace("CHANGE-ME-ADMIN", "admin").replace("CHANGE-ME", "tell-nobody")
        self.conf = directory / "kannel.conf"
        self.conf.write_text(text)
        self.password = directory / "password"
        self.password.write_text("tell-nobody\n")
        self.password.chmod(0o600)
        self.url = f"http://127.0.0.1:{self.ports['13013']}/cgi-bin/sendsms"
        self.arrived, self.processes = [], []

    def start(self):
        for box in (BEARERBOX, SMSBOX):
            with open(self.directory / f"{box.name}.out", "wb") as out:
                self.processes.append(subprocess.Popen([box, "-v", "4", self.conf], stdout=out, stderr=subprocess.STDOUT, cwd=self.directory))
            port = self.ports["13001" if box == BEARERBOX else "13013"]
            wait_for(f"{box.name} to listen", lambda: listens(port))
        carrier = subprocess.Popen([CARRIER, "-H", "127.0.0.1", "-r", str(self.ports["10000"]), "-m", "1", f"4912345 13013 text {REPLY}"], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.processes.append(carrier)
        threading.Thread(target=self._collect, args=(carrier,), daemon=True).start()

    def _collect(self, carrier):
        for line in carrier.stdout:
            if found := re.search(r"Got message \d+: <(.*)>", line):
                self.arrived.append(found[1])

    def stop(self):
        for process in reversed(self.processes):
            process.kill()
            process.wait()
        self.processes = []

    def code_for(self, number):
        return next((found[1] for line in reversed(self.arrived) if number in line and (found := re.search(r"is[ +](\d{6})", line))), None)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


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
        self.kannel.start()
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
