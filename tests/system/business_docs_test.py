"""What docs/business-api.md and docs/own-gateway.md show is done as it stands, with a real server, gateway and people.

    python3 tests/system/business_docs_test.py DIR_WITH_PROGRAMS [CASE ...]
"""
import atexit
import http.server
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import threading
import urllib.error
import urllib.request

from support import SOURCE, Server, opaline, people, run_cases, wait_for
from walkthrough_business import Gateway, Software, admin_business


def blocks(document, language):
    return re.findall(rf"```{language}\n(.*?)```", (SOURCE / "docs" / document).read_text(), re.DOTALL)


def with_values(text, values):
    """The text with other values in its lines NAME=... and NAME = "..."; each must be there."""
    for name, value in values.items():
        text, count = re.subn(rf'(?m)^({name})( ?= ?)("?)[^"\s]+("?)', lambda found, value=value: f"{found[1]}{found[2]}{found[3]}{value}{found[4]}", text)
        if count != 1:
            raise RuntimeError(f"{name} is {count} times in the example")
    return text


class World:
    def __init__(self, programs, directory):
        self.programs, self.directory = programs, directory
        self.server = Server(programs.opalined, directory / "server", True)
        self.server.programs = programs
        self.anna, self.ben = people(programs, self.server, directory, "Anna", "Ben")
        self.gateway = Gateway([programs.opalined, "--dev", self.server.directory, "--role", "gateway", "--set", "business.listen=127.0.0.1:0"],
                               self.server.directory / "gateway-ports.json", directory / "gateway.log")
        atexit.register(self.gateway.process.kill)
        authority = str(self.server.directory / "ca.pem")
        self.environment = {**os.environ, "SSL_CERT_FILE": authority, "CURL_CA_BUNDLE": authority, "PYTHONUNBUFFERED": "1"}
        self.environment.pop("SSL_CERT_DIR", None)
        self.receives, self.sanitized = {}, "--sanitized" in sys.argv

    def business(self, name):
        """A hosted business: its place for software, and the values that the examples begin with."""
        place = Software(self.directory / f"{name}.log")
        told = admin_business(self.programs.opalined, self.server, "create", name, "--webhook", place.webhook, "--allow-private-webhooks", "true")
        wait_for("the gateway to serve it", lambda: admin_business(self.programs.opalined, self.server, "show", told["id"])["enrolled"])
        values = {"API": self.gateway.url, "BUSINESS": told["id"], "MSP": told["msp"]["id"], "SECRET": told["msp"]["secret"]}
        return place, told["urn"], values

    def received(self, person, wanted):
        """A message that has come to the person, now or before."""
        lines = self.receives.setdefault(person.name, [])

        def look():
            lines.extend(opaline(person, "receive").lines)
            return next((line for line in lines if line["event"] == "message" and wanted(line)), None)

        return wait_for(f"what {person.name} is to receive", look)


def in_python(check, world):
    """The example in Python answers people, and takes nothing from strangers"""
    place, urn, values = world.business("In Python")
    (program,) = [block for block in blocks("business-api.md", "python") if "serve_forever" in block]  # business_test runs the one of signed webhooks
    script = world.directory / "example.py"
    script.write_text(with_values(program, {**values, "PORT": place.port}))
    process = subprocess.Popen([sys.executable, script], env=world.environment, stdout=place.log, stderr=subprocess.STDOUT)
    atexit.register(process.kill)
    check(opaline(world.anna, "send", urn, "Hello there").code == 0, "a person writes")
    check(world.received(world.anna, lambda line: line["text"] == "You wrote: Hello there"), "and is answered")
    for headers in ({}, {"Authorization": "Bearer a.e30.b"}):
        try:
            status = urllib.request.urlopen(urllib.request.Request(place.webhook + "/message", b"{}", headers), timeout=30).status
        except urllib.error.HTTPError as error:
            status = error.code
        check(status == 403, f"a webhook of a stranger: {status}")
    process.kill()
    process.wait()


def in_a_shell(check, world):
    """The examples in a shell write to a person, with and without a file"""
    place, urn, values = world.business("In a shell")
    head, text, file = blocks("business-api.md", "sh")
    software = Listener(place)
    check(opaline(world.ben, "send", urn, "Is my order ready?").code == 0, "a person writes")
    values["PERSON"] = wait_for("the webhook", lambda: software.people and software.people[0])
    (world.directory / "menu.pdf").write_bytes(os.urandom(70_000))
    done = subprocess.run(["sh", "-euc", with_values(head, values) + text + file], cwd=world.directory, env=world.environment, capture_output=True, text=True, timeout=120)
    check(done.returncode == 0 and not done.stdout and not done.stderr, f"all of it is done: {done.returncode} {done.stdout}{done.stderr}")
    check(world.received(world.ben, lambda line: line["text"] == "Your order is ready."), "the text is here")
    menu = world.received(world.ben, lambda line: line.get("files"))
    check(menu["text"].startswith("Our menu"), f"and the file with its text: {menu['text']!r}")
    (world.directory / "saved").mkdir()
    opaline(world.ben, "save", menu["id"], "--to", world.directory / "saved")
    check((world.directory / "saved" / "menu.pdf").read_bytes() == (world.directory / "menu.pdf").read_bytes(), "which is what was sent")
    wrong = subprocess.run(["sh", "-euc", with_values(head, {**values, "SECRET": "A" * 43 + "="}) + text], cwd=world.directory, env=world.environment, capture_output=True,
                           text=True, timeout=120)
    check(wrong.returncode != 0 and '"forbidden"' in wrong.stdout, f"with another secret it fails and says so: {wrong.stdout}")


class Listener:
    """Takes webhooks at a place for software, and keeps who sent them."""

    def __init__(self, place):
        self.people = people_seen = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                people_seen.append(self.headers["source-id"])
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        threading.Thread(target=http.server.HTTPServer(("127.0.0.1", place.port), Handler).serve_forever, daemon=True).start()


def openapi(check, world):
    """Each path of openapi.json is at the running gateway; what it answers to a stranger is named (gateway_api_test brings about all statuses)"""
    trusts = ssl.create_default_context(cafile=world.server.directory / "ca.pem")
    document = json.loads((SOURCE / "docs" / "openapi.json").read_text())
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            request = urllib.request.Request(world.gateway.url + re.sub(r"{\w+}", "00000000-0000-0000-0000-000000000000", path), b"{}" if method == "post" else None, method=method.upper())
            try:
                status = urllib.request.urlopen(request, context=trusts, timeout=30).status
            except urllib.error.HTTPError as error:
                status, said = error.code, json.loads(error.read())
            check(status == (404 if "security" in operation else 401) and str(status) in operation["responses"] and {"error", "message"} <= said.keys(), f"{method} {path}: {status}")


OURS = re.compile(r"^(useradd|chown|systemctl|journalctl) .*\n", re.MULTILINE)  # what would change this machine


def own_gateway(check, world):
    """The page about the gateway in one's own house: set up as it says, moved, and lost"""
    created, setup, begin = blocks("own-gateway.md", "sh")
    root, software = world.directory / "own", Software(world.directory / "own.log")
    root.mkdir()

    def on_this_machine(text):
        for path in ("/etc/opaline", "/var/lib/opaline"):
            text = text.replace(path, str(root) + path)
        return text.replace("gateway.tea.example:8445", "localhost").replace("gateway.tea.example", "localhost")

    made = subprocess.run(["sh", "-euc", created.replace("opalined", f"'{world.programs.opalined}' --dev '{world.server.directory}'")], capture_output=True, text=True)
    urn, enrolment = re.search(r"urn:biz:[\w-]{36}", made.stdout)[0], re.search(r"opaline-enrol-[\w-]+", made.stdout)[0]
    text = on_this_machine(OURS.sub("", setup).replace("runuser -u opaline -- opalined", f"'{world.programs.opalined}'"))
    for old, new in (("0f6a1b2c-3d4e-5f60-8192-a3b4c5d6e7f8", urn.removeprefix("urn:biz:")), ("opaline-enrol-AbCd...", enrolment), ("[::]:8445", "127.0.0.1:0"),
                     ("https://chat.example.org\"", f"{world.server.url}\"\nauthority = \"{world.server.directory / 'ca.pem'}\""), ('base_url = "https://localhost"', 'base_url = ""'),
                     ('"https://connector.tea.example/opaline"', f'"{software.webhook}", "allow_private_webhooks": true')):
        check(old in text, f"the page shows {old}")
        text = text.replace(old, new)
    done = subprocess.run(["sh", "-euc", text], capture_output=True, text=True, timeout=60)
    check(done.returncode == 0, f"all of it is done: {done.stdout} {done.stderr[-500:]}")
    check("opaline-gateway" in begin and "gateway_in_own_house" in begin, "the unit is started and asked for the link")
    unit = (SOURCE / "packaging" / "opaline-gateway.service").read_text()

    def start():
        pre, command = (on_this_machine(re.search(rf"^{key}=(.*)$", unit, re.MULTILINE)[1]).replace("/usr/bin/opalined", str(world.programs.opalined)).split()
                        for key in ("ExecStartPre", "ExecStart"))
        check(subprocess.run(pre, capture_output=True).returncode == 0, "its unit's check says yes")
        gateway = Gateway(command, root / "ports.json", root / "gateway.log")
        atexit.register(gateway.process.kill)
        return gateway

    def talk(words):
        check(opaline(world.anna, "send", urn, words).code == 0 and software.got("text", words), f"written: {words}")
        check(world.received(world.anna, lambda line: line["text"] == f"You wrote: {words}"), "and answered")

    gateway = start()
    link = gateway.link()
    settings = json.loads((root / "etc/opaline/settings.json").read_text())
    software.start(gateway, urn.removeprefix("urn:biz:"), settings["msp"], root / "etc/opaline/tls/certificate.pem")
    check(opaline(world.anna, "business", "open", urn).lines[-1]["gateway"] == "own_said", "the operator says that it is own")
    check(opaline(world.anna, "business", "open", link).lines[-1]["gateway"] == "own_checked", "the link checks it")
    talk("to your house")
    size = int(re.search(r"VmHWM:\s+(\d+)", open(f"/proc/{gateway.process.pid}/status").read())[1]) >> 10
    check(size < 100 or world.sanitized, f"it takes {size} MiB")

    letters = subprocess.run([world.programs.opalined, "--config", root / "etc/opaline/opalined.toml", "admin", "dead-letters", "list"], capture_output=True, text=True)
    check(letters.returncode == 0 and "no dead letter" in letters.stdout, f"it has {letters.stdout}{letters.stderr}")

    check(gateway.stop() == 0, "stopped")
    root = root.rename(world.directory / "elsewhere")
    config = root / "etc/opaline/opalined.toml"
    config.write_text(re.sub(r"enrolment_file.*\n", "", config.read_text()).replace(str(world.directory / "own"), str(root)).replace("127.0.0.1:0", f"127.0.0.1:{gateway.port}"))
    (root / "etc/opaline/enrolment").unlink()
    gateway = start()
    talk("where are you now?")
    check(gateway.link() == link and opaline(world.anna, "business", "open", link).lines[-1]["gateway"] == "own_checked", "moved, it is the same")

    gateway.stop()
    for name in ("gateway", "gateway-vault"):
        shutil.rmtree(root / "var/lib/opaline" / name)
    told = admin_business(world.programs.opalined, world.server, "enrol", urn)
    (root / "etc/opaline/enrolment").write_text(told["enrolment"] + " \n")  # as it is pasted
    (root / "etc/opaline/enrolment").chmod(0o600)
    config.write_text(config.read_text() + f'enrolment_file = "{root}/etc/opaline/enrolment"\n')
    gateway = start()
    check(gateway.link() != link, "lost and enrolled again it has another fingerprint")
    check(opaline(world.anna, "business", "open", link).lines[-1]["gateway"] == "changed", "the old link warns")
    waits = opaline(world.anna, "send", urn, "is it you?", "--wait", "1")
    check(waits.code == 3 and waits.lines[-1]["reason"] == "identity_changed" and not software.said("got text", "is it you?"), f"and nothing goes out: {waits}")
    check(opaline(world.anna, "accept", urn).code == 0, "the person agrees")
    check(opaline(world.anna, "receive").code == 0 and software.got("text", "is it you?"), "and what waited goes out")
    talk("so it is you")
    check(gateway.stop() == 0, "stopped")


CASES = {f.__name__: f for f in (in_python, in_a_shell, openapi, own_gateway)}

if __name__ == "__main__":
    run_cases("business-docs", CASES, lambda programs, scratch: [World(programs, scratch)])
