"""The second half of the walkthrough (./run): a person writes to a business, through a gateway that the service hosts and through one
in the business's own house. The system tests start gateways with what is here, too.
"""
import base64
import json
import os
import pathlib
import socket
import subprocess
import sys
import threading

from walkthrough import BOLD, DIM, OFF, say, texts, wait_for

ECHO = pathlib.Path(__file__).resolve().parents[1] / "examples" / "echo_business.py"


def near(path):
    """As somebody would type it here."""
    return os.path.relpath(path) if path.is_relative_to(pathlib.Path.cwd()) else path


class Gateway:
    """The command `opalined ... --role gateway`, once it listens on `port`."""

    def __init__(self, command, ports_file, log):
        self.ports_file, self.log = ports_file, open(log, "ab")
        ports_file.unlink(missing_ok=True)  # of one that was killed
        self.process = subprocess.Popen([*command, "--set", f"business.ports_file={ports_file}"], stdout=self.log,
                                        stderr=subprocess.STDOUT)
        self.port = wait_for("the gateway to start", self._port)

    def _port(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"the gateway ended at once: {pathlib.Path(self.log.name).read_text()[-2000:]}")
        try:
            return json.loads(self.ports_file.read_text())["business"]
        except (FileNotFoundError, json.JSONDecodeError):
            return None

    @property
    def url(self):
        return f"https://localhost:{self.port}"

    def link(self):
        """The entry link with the fingerprint of a gateway in its own house, as its log has it."""
        lines = [line for line in pathlib.Path(self.log.name).read_text().splitlines() if '"gateway_in_own_house"' in line]
        return json.loads(lines[-1])["link"]

    def stop(self):
        self.process.terminate()
        return self.process.wait(timeout=60)


def admin_business(program, server, *arguments):
    """What `opalined admin business ARGUMENTS` answers."""
    done = subprocess.run([program, "--dev", server.directory, "admin", "business", *arguments, "--json"], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"opalined admin business {' '.join(arguments)}: {done.stdout} {done.stderr}")
    return json.loads(done.stdout)


def furnish(house, server, told, name, webhook):
    """What a gateway in the business's own house begins with: configuration, settings with the secret of its software, a certificate,
    and the enrolment that the operator gave (`told`). The MSP id and secret."""
    house.mkdir(mode=0o700)
    msp = {"id": "own", "secret": base64.b64encode(os.urandom(32)).decode()}
    for file, text in (("settings.json", json.dumps({"webhook": webhook, "msp": msp, "allow_private_webhooks": True})), ("enrolment", told["enrolment"] + "\n"),
                       ("gateway.toml", f"""[business]
id = "{told['id']}"
name = "{name}"
service = "{server.url}"
authority = "{server.directory / 'ca.pem'}"
listen = "127.0.0.1:0"
certificate = "certificate.pem"
key = "key.pem"
data = "data"
vault = "vault"
settings_file = "settings.json"
enrolment_file = "enrolment"
""")):
        (house / file).touch(mode=0o600)
        (house / file).write_text(text)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost", "-keyout", house / "key.pem", "-out", house / "certificate.pem"], check=True, capture_output=True)
    return msp


class Software:
    """examples/echo_business.py as a process: the business's software. Its port is reserved first, for the operator has to know it."""

    def __init__(self, log):
        self.log, self.process = open(log, "wb"), None
        self.reserved = socket.socket()
        self.reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # so that the software may listen where this is bound
        self.reserved.bind(("127.0.0.1", 0))
        self.port = self.reserved.getsockname()[1]
        self.webhook = f"http://127.0.0.1:{self.port}"

    def start(self, gateway, business, msp, authority):
        arguments = ["--api", gateway.url, "--business", business, "--msp-id", msp["id"], "--secret", msp["secret"], "--port", str(self.port), "--ca", str(near(authority))]
        shown = [word if word != msp["secret"] else "..." for word in arguments]
        say(f"   {DIM}The business types:{OFF} python3 examples/echo_business.py {' '.join(shown)}")
        self.process = subprocess.Popen([sys.executable, ECHO, *arguments], stdin=subprocess.PIPE, stdout=self.log, stderr=subprocess.STDOUT, text=True)
        wait_for("the business's software to listen", lambda: self.said("listening on"))
        self.reserved.close()

    def lines(self):
        return pathlib.Path(self.log.name).read_text().splitlines()

    def said(self, begin, end=""):
        """The last line that begins and ends so."""
        return next((line for line in reversed(self.lines()) if line.startswith(begin) and line.endswith(end)), None)

    def got(self, kind, body=""):
        """From whom a webhook came, as the business sees it."""
        line = wait_for(f"the webhook '{body or kind}'", lambda: self.said(f"got {kind} from ", f": {body}"))
        return line.split(" from ", 1)[1].split(": ", 1)[0]

    def types(self, text):
        say(f"   {DIM}The business types:{OFF} {text}")
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def stop(self):
        self.reserved.close()
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        return 0


def receives(person, wanted):
    """The lines of `opaline receive`, typed until this has come."""
    lines = []

    def look(show=[True]):
        lines.extend(person.run("receive", show=show.pop() if show else False)[1])
        return any(wanted(line) for line in lines)

    wait_for(f"{person.name} to receive it", look)
    return lines


def standing(person, urn):
    _, lines = person.run("business", "list", show=False)
    return next(line for line in lines if line.get("business") == urn)


def writes(person, urn, software, check):
    """A text and its answer; a list picker that the person answers; a file there and back. The person's opaque id."""
    code, lines = person.run("send", urn, "Good morning")
    check(code == 0 and lines[-1]["state"] == "sent", f"'Good morning' is '{lines[-1].get('state')}'")
    ident = software.got("text", "Good morning")
    check(ident == standing(person, urn)["opaque_id"], f"the business sees: {ident[:22]}…: Good morning")
    check(not any(person.handle in line for line in software.lines()), f"lines of the business that have {person.handle}: 0")
    answer = next(line for line in receives(person, lambda line: line.get("text") == "You wrote: Good morning") if "text" in line)
    check(answer.get("automatic") is True, f"{person.name} sees: {answer['text']} (a bot wrote it, says the business)")

    person.run("send", urn, "the list, please")
    asked = next(line for line in receives(person, lambda line: "question" in line) if "question" in line)["question"]
    for number, section in enumerate(asked["sections"], 1):
        say(f"      {section['title']}: " + ", ".join(f"{number}.{i} {item['title']}" for i, item in enumerate(section["items"], 1)))
    code, _ = person.run("answer", urn, "1.1", "2.2")
    chosen = "You chose: " + ", ".join(asked["sections"][section]["items"][item]["title"] for section, item in ((0, 0), (1, 1)))
    receives(person, lambda line: line.get("text") == chosen)
    check(code == 0, f"{person.name} sees: {chosen}")

    menu = person.home.parent / f"{person.name.lower()}-menu.bin"
    menu.write_bytes(os.urandom(100_000))
    person.run("send", urn, "Is this your menu?", "--attach", str(menu))
    back = next(line for line in receives(person, lambda line: line.get("direction") == "in" and line.get("files")) if line.get("files"))
    check(software.said(f"file {menu.name}: 100000 bytes, right") is not None, "the business has fetched the file and checked its hash")
    there = person.home.parent / f"{person.name.lower()}-from-business"
    there.mkdir()
    person.run("save", back["id"], "--to", str(there))
    check([path.read_bytes() for path in there.iterdir()] == [menu.read_bytes()], f"and sent one back: {person.name} has saved it, the same 100,000 bytes")
    return ident


def closes(person, urn, ident, software, check):
    """Deleting closes: the business cannot write any more, until the person does; then it is the same person."""
    person.run("delete", urn, "--yes")
    check(software.got("close") == ident, "the business is told that the conversation is closed")
    software.types("Would you like some more tea?")
    refused = wait_for("the answer to the business", lambda: software.said("not sent:"))
    check(refused.startswith("not sent: 410"), f"and is refused: {refused}")
    code, _ = person.run("send", urn, "It is me again")
    check(code == 0 and software.got("text", "It is me again") == ident, f"{person.name} writes again, and is who it was to this business: {ident[:22]}…")
    receives(person, lambda line: line.get("text") == "You wrote: It is me again")
    software.types("Welcome back!")
    receives(person, lambda line: line.get("text") == "Welcome back!")
    check(True, f"{person.name} sees: Welcome back!")


def started(running, thing):
    running.append(thing)
    return thing


def hosted(running, program, server, directory, anna, any_port, check):
    say(f"\n{BOLD}9. A business.{OFF} The operator makes one. The gateway is a process of its own: the encryption ends there, and what people write is readable in its memory alone.")
    software = started(running, Software(directory / "tea-house.log"))
    flags = ["--webhook", software.webhook, "--allow-private-webhooks", "true"]
    say(f"   {DIM}The operator types:{OFF} opalined --dev {near(server.directory)} admin business create \"Tea House\" {' '.join(flags)}")
    told = admin_business(program, server, "create", "Tea House", *flags)
    say(f"   {DIM}The operator types:{OFF} opalined --dev {near(server.directory)} --role gateway")
    port = ["--set", "business.listen=127.0.0.1:0"] if any_port else []
    gateway = started(running, Gateway([program, "--dev", server.directory, "--role", "gateway", *port], server.directory / "gateway-ports.json", directory / "gateway.log"))
    wait_for("the gateway to serve the business", lambda: admin_business(program, server, "show", told["id"])["enrolled"])
    software.start(gateway, told["id"], told["msp"], server.directory / "ca.pem")
    check(True, f"{told['urn']} is there, at {gateway.url}")

    say(f"\n{BOLD}10. Anna writes to it.{OFF} She is an opaque id to it, made for this business alone; what she shares, she shares herself.")
    code, lines = anna.run("business", "open", told["urn"])
    check(code == 0 and lines[-1]["gateway"] == "hosted", f"it is {lines[-1].get('name')}, its gateway is {lines[-1].get('gateway')}")
    check(software.said("got") is None, "the business has heard nothing yet")
    ident = writes(anna, told["urn"], software, check)
    files, count = server.files_with("Good morning")
    check(not files, f"files of the service (data, keys, log: {count}) that contain 'Good morning': {len(files)}")

    say(f"\n{BOLD}11. Anna deletes the conversation.{OFF} From then on the business cannot reach her, until she writes.")
    closes(anna, told["urn"], ident, software, check)
    return told["urn"]


def in_own_house(running, program, server, directory, ben, check):
    say(f"\n{BOLD}12. A business with the gateway in its own house.{OFF} Its keys, certificate and secrets are there; the operator gives it an enrolment, and reads nothing.")
    software = started(running, Software(directory / "own-house.log"))
    say(f"   {DIM}The operator types:{OFF} opalined --dev {near(server.directory)} admin business create \"Own House\" --own-gateway")
    told = admin_business(program, server, "create", "Own House", "--own-gateway")
    house = directory / "house"
    msp = furnish(house, server, told, "Own House", software.webhook)
    say(f"   {DIM}The business types:{OFF} opalined --config {near(house / 'gateway.toml')} --role gateway")
    gateway = started(running, Gateway([program, "--config", house / "gateway.toml", "--role", "gateway"], house / "ports.json", directory / "house.log"))
    software.start(gateway, told["id"], msp, house / "certificate.pem")
    link = gateway.link()
    code, lines = ben.run("business", "open", link)
    check(code == 0 and lines[-1]["gateway"] == "own_checked", f"by the fingerprint in the link its gateway is '{lines[-1].get('gateway')}'")
    ident = writes(ben, told["urn"], software, check)
    closes(ben, told["urn"], ident, software, check)
    files, count = server.files_with(msp["secret"])
    check(not files, f"files of the service (data, keys, log: {count}) that contain the secret of its software: {len(files)}")
    return told["urn"]


def businesses(running, program, server, directory, anna, ben, any_port, check):
    """The steps; what is started stands in `running`, to be stopped in the opposite order. The business that Anna wrote to, and the one of Ben."""
    return hosted(running, program, server, directory, anna, any_port, check), in_own_house(running, program, server, directory, ben, check)
