"""Rows of businesses: a person, a gateway, and a business's software in this process. Python's own time is in all figures, also in the peer's."""
import concurrent.futures
import http.client
import http.server
import importlib.util
import json
import pathlib
import ssl
import sys
import threading
import time
import uuid

from harness.figures import Figure
from harness.processes import Failed, PortPrinter, wait_for

SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent


def business(bench):
    """A business's reply until 200 and until the person has it; a person's message until the webhook is answered; one HTTPS client beside a TLS echo."""
    sys.path.insert(0, str(SOURCE / "tools"))
    import walkthrough
    import walkthrough_business
    walkthrough.say = lambda text="": None
    scratch = bench.data / "business"
    scratch.mkdir()
    programs = bench.programs.build / "apps"
    server = walkthrough.Server(programs / "opalined" / "opalined", scratch / "server", True)
    gateway, anna, software = None, None, Software()
    try:
        told = walkthrough_business.admin_business(programs / "opalined" / "opalined", server, "create", "Shop", "--webhook", software.address,
                                                   "--allow-private-webhooks", "true")

        def start():
            return walkthrough_business.Gateway([programs / "opalined" / "opalined", "--dev", server.directory, "--role", "gateway", "--set", "business.listen=127.0.0.1:0"],
                                                scratch / "ports.json", scratch / "gateway.log")
        gateway = start()
        anna = walkthrough.Person("Anna", "anna@example.org", programs / "opaline" / "opaline", server, scratch)
        if anna.register()[0] is None:
            raise Failed("Anna could not register")
        say(anna, told["urn"], "hello")
        person = wait_for("the first webhook", lambda: software.persons[-1] if software.persons else None)
        anna.follow()
        api = Api(server.directory / "ca.pem", gateway.port, told, person)
        count = 50 if bench.quick else 500
        replies = [replied(api, anna, count) for _ in range(bench.runs)]
        rates = [thronged(server, gateway, told, person, count) for _ in range(bench.runs)]
        written = [wrote(anna, software, told["urn"], 10 if bench.quick else 50) for _ in range(bench.runs)]
        floor = [echoed(bench, scratch, count) for _ in range(bench.runs)] if bench.peers else []
        anna.unfollow()
        drained = []
        for run in range(bench.runs):
            gateway.stop()
            for i in range(20):
                say(anna, told["urn"], f"{run} {i}")
            software.times.clear()
            gateway = start()
            wait_for("all webhooks", lambda: len(software.times) >= 20)
            drained.append(19 / (software.times[19] - software.times[0]))
    finally:
        if gateway:
            gateway.stop()
        server.stop()
        software.http.shutdown()
    for at, what in ((0.5, "p50"), (0.99, "p99")):
        peer = [quantile(one, at) for one in floor]
        yield Figure("business", f"POST /v1/message to 200, one at a time, {what}", "us", [quantile(one[0], at) for one in replies], "TLS echo", peer)
        yield Figure("business", f"POST /v1/message to the person's terminal, {what}", "us", [quantile(one[1], at) for one in replies], "TLS echo", peer)
        yield Figure("business", f"opaline send, the whole command, to its webhook, {what}", "us", [quantile(one, at) for one in written])
    yield Figure("business", "POST /v1/message, 16 at a time", "1/s", rates)
    yield Figure("business", "webhooks of one person's queue, in order", "1/s", drained)


class Software:
    """Takes every webhook."""

    def __init__(self):
        self.persons, self.times = [], []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                outer.persons.append(self.headers["source-id"])
                outer.times.append(time.monotonic())
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self.http.server_address[1]}"


class Api:
    """One connection to the MSP API."""

    def __init__(self, authority, port, told, person):
        spec = importlib.util.spec_from_file_location("echo_business", SOURCE / "examples" / "echo_business.py")
        echo = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(echo)
        self.connection = http.client.HTTPSConnection("localhost", port, context=ssl.create_default_context(cafile=authority))
        self.business, self.person = told["id"], person
        self.token = echo.token({"iss": told["msp"]["id"], "iat": int(time.time())}, told["msp"]["secret"])

    def post(self, text):
        id = str(uuid.uuid4())
        body = json.dumps({"v": 1, "id": id, "type": "text", "sourceId": self.business, "destinationId": self.person, "body": text})
        self.connection.request("POST", "/v1/message", body, {"Authorization": f"Bearer {self.token}", "id": id, "source-id": self.business,
                                                              "destination-id": self.person, "Content-Type": "application/json"})
        answer = self.connection.getresponse()
        if answer.status != 200:
            raise Failed(f"POST /v1/message: {answer.status} {answer.read()[:200]}")
        answer.read()


def replied(api, anna, count):
    """Microseconds to 200 and to the line in the person's terminal, message after message."""
    accepted, shown = [], []
    for _ in range(count):
        text, begun, before = uuid.uuid4().hex, time.monotonic(), len(anna.lines)
        api.post(text)
        accepted.append((time.monotonic() - begun) * 1e6)
        end = begun + 60
        while not any(line.get("text") == text for line in anna.lines[before:]):
            if time.monotonic() > end:
                raise Failed("a message did not arrive")
            time.sleep(0.00005)
        shown.append((time.monotonic() - begun) * 1e6)
    return accepted, shown


def wrote(anna, software, urn, count):
    """Microseconds from the start of `opaline send` (beside a running `receive --follow`) to the webhook."""
    out = []
    for i in range(count):
        before, begun = len(software.times), time.monotonic()
        say(anna, urn, f"message {i}")
        wait_for("the webhook", lambda: len(software.times) > before)
        out.append((software.times[before] - begun) * 1e6)
    return out


def thronged(server, gateway, told, person, count):
    apis = [Api(server.directory / "ca.pem", gateway.port, told, person) for _ in range(16)]
    for api in apis:
        api.post("warm")
    begun = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda api: [api.post("one of many") for _ in range(count // 16)], apis))
    return count // 16 * 16 / (time.monotonic() - begun)


def echoed(bench, scratch, count):
    """The same client's microseconds for 700 bytes to a server that sends them back."""
    out = []
    with PortPrinter(bench.programs.load("tls_echo"), scratch, bench.certificates) as echo:
        context = ssl.create_default_context(cafile=echo.authority)
        connection = http.client.HTTPSConnection("localhost", echo.port, context=context)
        connection.connect()
        for _ in range(count):
            begun = time.monotonic()
            connection.sock.sendall(b"x" * 700)
            left = 700
            while left:
                left -= len(connection.sock.recv(left))
            out.append((time.monotonic() - begun) * 1e6)
    return out


def say(person, urn, text):
    code, lines = person.run("send", urn, text, show=False)
    if code != 0:
        raise Failed(f"{person.name} could not write: {lines[-1:]}")


def quantile(values, at):
    return sorted(values)[min(len(values) - 1, int(len(values) * at))]
