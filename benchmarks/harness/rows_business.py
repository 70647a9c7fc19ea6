"""Rows of businesses: many persons' devices, a server, a gateway, and a business's software; all but server and gateway in one generator."""
import json
import subprocess

from harness.figures import Figure
from harness.processes import Failed, Nginx, Opalined, Server, free_port, run_lines, wait_for

PERSONS, IN_FLIGHT, CONNECTIONS, RATE = 128, 256, 64, 1000
RUNS = ("webhooks", "webhooks-paced", "posts", "posts-paced")


class Gateway(Server):
    """`opalined --role gateway` beside a server, with one business whose software takes webhooks at `webhook_port`."""

    def __init__(self, programs, server):
        self.of = server
        self.webhook_port = free_port()
        told = subprocess.run([programs.opalined, "--dev", server.directory, "admin", "business", "create", "Shop", "--webhook",
                               f"https://localhost:{self.webhook_port}", "--allow-private-webhooks", "true", "--json"], capture_output=True, text=True)
        if told.returncode != 0:
            raise Failed(f"opalined admin business create: {told.stderr.strip()}")
        self.told = json.loads(told.stdout)
        ports = server.directory / "gateway-ports.json"
        super().__init__("gateway", [programs.opalined, "--dev", server.directory, "--role", "gateway", "--set", "business.listen=127.0.0.1:0"],
                         server.directory.parent / (server.directory.name + "-gateway.log"))
        try:
            wait_for("the gateway", lambda: self.alive() and ports.exists())
            self.port = json.loads(ports.read_text())["business"]
            wait_for("the gateway's keys", self._is_connected)
        except Failed:
            self.stop()
            raise

    def _is_connected(self):
        return self.alive() and '"gateway_connected"' in self.log_path.read_text()

    def load(self, programs, *arguments, **more):
        """The generator's command; `more` replaces options."""
        server = self.of
        options = {"outbox": server.directory / "outbox.jsonl", "gateway-pid": self.pid, "api-port": self.port, "business": self.told["id"],
                   "msp-id": self.told["msp"]["id"], "secret": self.told["msp"]["secret"], "webhook-port": self.webhook_port,
                   "certificate": server.directory / "server.pem", "key": server.directory / "server.key", **more}
        return [programs.load("business_load"), "--port", server.port, "--authority", server.authority, "--server-pid", server.pid, *arguments[0], "persons",
                *(word for name, value in options.items() for word in (f"--{name}", value)), *arguments[1:]]


def business(bench):
    """Persons' messages until their webhooks, in a closed loop and 1,000 a second; POST /v1/message until 200 and until the text; the same client against nginx."""
    messages = 10_000 if bench.quick else 40_000
    timing = ["--warmup", bench.warmup, "--seconds", bench.seconds, "--rate", RATE, "--connections", CONNECTIONS]
    runs, http = {name: [] for name in RUNS}, {"http": [], "http-paced": []}
    with Opalined(bench.programs, bench.data / "business") as server, Gateway(bench.programs, server) as gateway, \
            bench.peer(Nginx, bench.data, bench.certificates) as nginx:
        for _ in range(bench.runs):
            for line in run_lines(gateway.load(bench.programs, timing, *RUNS, persons=PERSONS, messages=messages, **{"in-flight": IN_FLIGHT})):
                runs[line["run"]].append(line)
            for paced in ([], ["--paced"]) if nginx else ():
                line, = run_lines([bench.programs.load("business_load"), "--port", nginx.port, "--authority", nginx.authority, "--server-pid", nginx.worker(),
                                   *timing, "http", *paced])
                http[line["run"]].append(line)
    yield from _webhooks(runs, http)
    yield from _posts(runs, http)


def _webhooks(runs, http):
    closed, paced = runs["webhooks"], runs["webhooks-paced"]
    yield Figure("business", f"webhooks of {PERSONS} persons, {IN_FLIGHT} messages in flight", "1/s", [r["received_per_second"] for r in closed],
                 f"client and nginx, {CONNECTIONS} connections", [r["received_per_second"] for r in http["http"]], "10k/s", 10_000,
                 detail={"runs": closed, "peer_runs": http["http"]})
    yield from _processors("webhooks", closed)
    for quantile, limit in (("p50", None), ("p99", 20_000), ("p999", None)):
        yield Figure("business", f"send to webhook at {RATE} a second, {quantile}", "us", [r["to_receipt_us"][quantile] for r in paced],
                     "client and nginx", [r["to_receipt_us"][quantile] for r in http["http-paced"]], "20 ms" if limit else "", limit, smaller_is_better=True,
                     detail={"runs": paced, "peer_runs": http["http-paced"]} if limit else {})
    yield from _processors(f"webhooks at {RATE} a second", paced)


def _posts(runs, http):
    closed, paced = runs["posts"], runs["posts-paced"]
    yield Figure("business", f"POST /v1/message, {CONNECTIONS} at a time", "1/s", [r["accepted_per_second"] for r in closed],
                 "client and nginx", [r["received_per_second"] for r in http["http"]], detail={"runs": closed})
    yield from _processors("POST", closed)
    for quantile in ("p50", "p99"):
        yield Figure("business", f"POST to 200 at {RATE} a second, {quantile}", "us", [r["to_accepted_us"][quantile] for r in paced],
                     "client and nginx", [r["to_receipt_us"][quantile] for r in http["http-paced"]], smaller_is_better=True,
                     detail={"runs": paced} if quantile == "p50" else {})
        yield Figure("business", f"POST to the person's text at {RATE} a second, {quantile}", "us", [r["to_receipt_us"][quantile] for r in paced],
                     smaller_is_better=True)
    yield from _processors(f"POST at {RATE} a second", paced)


def _processors(what, runs):
    yield Figure("business", f"{what}: processor of the server", "cores", [r["server_cpu_user"] + r["server_cpu_system"] for r in runs], smaller_is_better=True)
    yield Figure("business", f"{what}: processor of the gateway", "cores", [r["gateway_cpu"] for r in runs], smaller_is_better=True)
    yield Figure("business", f"{what}: processor of the generator", "cores", [r["generator_cpu"] for r in runs], smaller_is_better=True)
