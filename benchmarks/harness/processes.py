"""The servers under load and the programs that load them. Everything listens on 127.0.0.1 and ends with its `with` block."""
import contextlib
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import time


class Failed(Exception):
    """A row cannot be measured; the message says why."""


def wait_for(what, probe, seconds=60):
    end = time.monotonic() + seconds
    while not (found := probe()):
        if time.monotonic() > end:
            raise Failed(f"waited {seconds} s for {what}")
        time.sleep(0.002)
    return found


def free_port(consecutive=1):
    """A port that is free, and the next ones too. Below the range from which the kernel takes ports for outgoing
    connections: one of ours could otherwise take it first."""
    for _ in range(1000):
        port = random.randrange(20_000, 32_000)
        if not any(listening(port + i) for i in range(consecutive)):
            return port
    raise Failed("found no free port")


def listening(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


class Programs:
    """Where the built programs and the peers' are."""

    def __init__(self, build, deps):
        self.build, self.deps = pathlib.Path(build), pathlib.Path(deps)

    def load(self, name):
        return self.build / "benchmarks" / name

    @property
    def opalined(self):
        return self.build / "apps" / "opalined" / "opalined"

    @property
    def mosquitto(self):
        return self.deps / "mosquitto" / "usr" / "sbin" / "mosquitto"

    @property
    def nginx(self):
        return self.deps / "nginx" / "usr" / "sbin" / "nginx"


class Server:
    """A process that listens. Subclasses start it and know its port."""

    def __init__(self, name, arguments, log):
        self.name = name
        self.log_path = log
        self.log = open(log, "ab")
        self.started_at = time.monotonic_ns()
        self.process = subprocess.Popen([str(a) for a in arguments], stdout=subprocess.PIPE, stderr=self.log)

    @property
    def pid(self):
        return self.process.pid

    def alive(self):
        if self.process.poll() is not None:
            raise Failed(f"{self.name} ended with status {self.process.returncode}; see {self.log_path}")
        return True

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


# Room for what the rows store; everything else as an operator gets it.
OPALINED_SETTINGS = {
    "relay.mailbox_envelopes": 1_000_000,
    "relay.mailbox_mib": 4096,
    "public.max_connections_per_source": 1_000_000,
    "registration.codes_per_source_per_hour": 1_000_000,
    "lookups.bucket": 1_000_000,
    "lookups.per_source_per_day": 1_000_000_000,
    "accounts.calls_per_hour": 1_000_000,
}


class Opalined(Server):
    def __init__(self, programs, directory, fresh=True, port=None, ready=True, settings=None):
        self.directory = pathlib.Path(directory)
        if fresh:
            shutil.rmtree(self.directory, ignore_errors=True)
        port = port or free_port(3)  # public, operators', metrics
        arguments = [programs.opalined, "--dev", self.directory, "--port", port]
        for key, value in (OPALINED_SETTINGS | (settings or {})).items():
            arguments += ["--set", f"{key}={value}"]
        super().__init__("opalined", arguments, self.directory.parent / (self.directory.name + ".log"))
        self.port = port
        self.authority = self.directory / "ca.pem"
        if ready:
            try:
                wait_for("opalined", lambda: self.alive() and (self.directory / "ports.json").exists())
            except Failed:
                self.stop()
                raise


class Mosquitto(Server):
    """Everything that costs time is off: no persistence, no log, no limits on queues and on messages in flight."""

    def __init__(self, programs, directory, certificates):
        directory = pathlib.Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        config = directory / "mosquitto.conf"
        config.write_text(
            f"listener {self.port} 127.0.0.1\n"
            f"certfile {certificates / 'server.pem'}\nkeyfile {certificates / 'server.key'}\n"
            "tls_version tlsv1.3\nallow_anonymous true\npersistence false\nset_tcp_nodelay true\n"
            "max_inflight_messages 0\nmax_queued_messages 0\nlog_dest stderr\nlog_type error\n"
            + ("user root\n" if os.getuid() == 0 else ""))
        super().__init__("mosquitto", [programs.mosquitto, "-c", config], directory / "mosquitto.log")
        self.authority = certificates / "ca.pem"
        wait_for("mosquitto", lambda: self.alive() and listening(self.port))


class Nginx(Server):
    """One worker that reads a request and answers 200 with an empty body; no log, connections never end."""

    def __init__(self, programs, directory, certificates):
        directory = pathlib.Path(directory) / "nginx"
        directory.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        config = directory / "nginx.conf"
        temporary = " ".join(f"{kind}_temp_path {directory};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        config.write_text(
            f"daemon off; worker_processes 1; pid {directory}/nginx.pid; error_log stderr warn;\n"
            + ("user root;\n" if os.getuid() == 0 else "")
            + "events { worker_connections 4096; }\n"
            f"http {{ access_log off; {temporary} keepalive_requests 1000000000; keepalive_timeout 1h;\n"
            f"server {{ listen 127.0.0.1:{self.port} ssl; ssl_protocols TLSv1.3; ssl_certificate {certificates / 'server.pem'};\n"
            f"ssl_certificate_key {certificates / 'server.key'}; location / {{ return 200; }} }} }}\n")
        super().__init__("nginx", [programs.nginx, "-c", config, "-e", "stderr"], directory / "nginx.log")
        self.authority = certificates / "ca.pem"
        try:
            wait_for("nginx", lambda: self.alive() and listening(self.port))
        except Failed:
            self.stop()
            raise

    def worker(self):
        """The process that serves."""
        return wait_for("nginx's worker", lambda: pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split())[0]


class PortPrinter(Server):
    """Our own small servers: they print {"port": N} and serve."""

    def __init__(self, program, directory, certificates):
        name = pathlib.Path(program).name
        super().__init__(name, [program, "serve", "--certificate", certificates / "server.pem",
                                "--key", certificates / "server.key"], pathlib.Path(directory) / f"{name}.log")
        self.port = json.loads(self.process.stdout.readline())["port"]
        self.authority = certificates / "ca.pem"


def make_certificates(programs, directory):
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    subprocess.run([programs.load("make_certificate"), directory], check=True)
    return directory


def run_lines(arguments, timeout=1800):
    """Runs a program to its end; its standard output as JSON, one object a line."""
    done = subprocess.run([str(a) for a in arguments], capture_output=True, text=True, timeout=timeout)
    if done.returncode != 0:
        raise Failed(f"{pathlib.Path(str(arguments[0])).name}: {done.stderr.strip().splitlines()[-1:] or done.returncode}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


@contextlib.contextmanager
def held(arguments):
    """A program that connects, prints one line and holds what it has until its standard input ends."""
    process = subprocess.Popen([str(a) for a in arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        if not line:
            raise Failed(f"{pathlib.Path(str(arguments[0])).name} ended with status {process.wait()}")
        yield process
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(timeout=60)
