"""The walkthrough's last step (./run): a text to a number that is not here. The system tests start the role sms with what is here, too."""
import json
import os
import pathlib
import subprocess

from walkthrough import BOLD, DIM, OFF, Person, Server, say, wait_for
from walkthrough_business import Gateway, admin_business, near
from walkthrough_kannel import Kannel, free_port, is_here


class Role:
    """`opalined --role sms`, once it listens. `settings`: keys and values; `fault`: where it dies."""

    def __init__(self, program, server, settings, log, fault=None):
        self.log = open(log, "ab")
        self.begin = self.log.tell()
        ports = server.directory / "sms-ports.json"
        ports.unlink(missing_ok=True)  # of one that was killed
        self.process = subprocess.Popen([program, "--dev", server.directory, "--role", "sms", *[f"--set={key}={value}" for key, value in settings.items()]], stdout=self.log,
                                        stderr=subprocess.STDOUT, env={**os.environ, **({"OPALINE_FAULT": fault} if fault else {})})
        wait_for("the role sms to start", lambda: self.process.poll() is not None or ports.exists())
        if self.process.poll() is not None:
            raise RuntimeError(f"the role sms ended at once: {self.said()}")
        self.ports = json.loads(ports.read_text())

    def said(self):
        return pathlib.Path(self.log.name).read_bytes()[self.begin:].decode(errors="replace")

    def stop(self):
        self.process.terminate()
        return self.process.wait(timeout=60)


class Carrier:
    """What stands between a person and a telephone: a service that names its carrier, the gateway, the role's settings, and Kannel (started)."""

    def __init__(self, program, kannel, directory, server_class=Server, gateway=None, before=lambda server: None, around=lambda command: command):
        self.kannel, self.port = kannel, free_port()
        server = server_class(program, directory / "server", True)
        before(server)
        flags = ["--webhook", f"http://127.0.0.1:{self.port}", "--allow-private-webhooks", "true"]
        around(f"opalined --dev {near(server.directory)} admin business create \"Short messages\" {' '.join(flags)}")
        told = admin_business(program, server, "create", "Short messages", *flags)
        server.stop()  # it names the carrier from its next start on
        self.server = server_class(program, directory / "server", True, settings=(f"sms.carrier={told['id']}",))
        self.gateway = gateway(self.server) if gateway else Gateway([program, "--dev", self.server.directory, "--role", "gateway", "--set", "business.listen=127.0.0.1:0"],
                                                                    self.server.directory / "gateway-ports.json", directory / "gateway.log")
        secret, path = directory / "msp-secret", directory / "kannel-secret"
        for file, text in ((secret, told["msp"]["secret"]), (path, kannel.secret)):
            file.touch(mode=0o600)
            file.write_text(text + "\n")
        self.settings = {
            "sms.url": kannel.url, "sms.password_file": kannel.password, "sms.carrier": told["id"], "sms.sender": '"13013"', "carrier.listen": f"127.0.0.1:{self.port}",
            "carrier.kannel_listen": f"127.0.0.1:{kannel.ports['8448']}", "carrier.kannel_secret_file": path, "carrier.gateway": self.gateway.url, "carrier.msp_id": told["msp"]["id"],
            "carrier.msp_secret_file": secret, "carrier.metrics": "127.0.0.1:0"}


def report(person):
    """What the carrier says of a text."""
    def look():
        _, lines = person.run("receive", show=False)
        return next((line for line in lines if line["event"] == "sms_report"), None)
    return wait_for("the carrier's report", look)


def short_message(program, daemon, directory, check):
    say(f"\n{BOLD}14. Somebody who is not here.{OFF} A telephone number can be reached by short message: not encrypted, carriers read it. So it goes on Anna's word alone.")
    if not is_here():
        return say(f"   {DIM}Left out: Debian's Kannel, which speaks to carriers, could not be unpacked here (docs/sms.md).{OFF}")
    directory.mkdir()
    kannel = Kannel(directory / "kannel")
    kannel.start()
    running = []
    try:
        say(f"   {DIM}A service of its own for this, with Kannel and a carrier that only pretends.{OFF}")
        world = Carrier(daemon, kannel, directory, around=lambda typed: say(f"   {DIM}The operator types:{OFF} {typed}"))
        running += [world.server, world.gateway]
        say(f"   {DIM}The operator types:{OFF} opalined --dev {near(world.server.directory)} --role sms")
        running.append(Role(daemon, world.server, world.settings, directory / "sms.log"))
        anna = Person("Anna", "anna@example.org", program, world.server, directory)
        anna.register()
        code, lines = anna.run("send", "+4915112345678", "Tea at eight?")
        offer = next((line for line in lines if line["event"] == "sms_offer"), {})
        check(code == 1 and not kannel.arrived, f"nothing is sent: it would not be encrypted, and cost {offer.get('parts')} part")
        code, lines = anna.run("send", "--sms", "+4915112345678", "Tea at eight?")
        check(code == 0 and lines[-1]["via"] == "sms" and lines[-1]["encrypted"] is False, "on her word it goes, marked as 'not encrypted'")
        arrived = wait_for("the carrier to have it", lambda: kannel.arrived)
        check("Tea at eight?" in arrived[0], f"the carrier has, for anybody there to read: {arrived[0]}")
        check(report(anna)["report"] == "delivered", "and says that it is delivered, over the sealed conversation")
        files = [file for file in directory.rglob("*") if file.is_file() and anna.home not in file.parents]
        found = [file.name for file in files if b"Tea at eight" in file.read_bytes()]
        check(not found, f"files of service, gateway, role sms and Kannel ({len(files)}) that contain it: {len(found)}")
    finally:
        codes = [each.stop() for each in reversed(running)]
        kannel.stop()
    check(not any(codes), "they have shut down cleanly")
