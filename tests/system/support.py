"""What the system tests that run real programs share: running commands, reading histories, counting checks."""
import atexit
import json
import os
import pathlib
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tools"))
import walkthrough  # noqa: E402
from walkthrough import Person, wait_for  # noqa: E402,F401

WENT_OUT = ("sent", "delivered", "read")
HANG_SECONDS = 90  # a command that takes longer than every limit that it states hangs


# What a program writes that a sanitizer or an assertion has ended.
ABORTED = re.compile(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error: |opaline: assertion failed|Assertion .* failed")


class Aborted(Exception):
    """A program of ours was ended by a sanitizer or an assertion."""


class Server(walkthrough.Server):
    """A server that is killed at the end of the test, should a case have failed before it stopped it."""
    logs = set()

    def __init__(self, program, directory, *arguments, **options):
        log = f"{directory}.log"
        if log in Server.logs:
            Server.look_for_abort(log)  # a start empties it
        super().__init__(program, directory, *arguments, **options)
        atexit.register(self.process.kill)  # does nothing to one that has ended
        Server.logs.add(self.log.name)

    @classmethod
    def look_for_abort(cls, log):
        """Raises what a server wrote that ended by a fault of ours."""
        text = pathlib.Path(log).read_text(errors="replace") if os.path.exists(log) else ""
        if found := ABORTED.search(text):
            raise Aborted(f"a server aborted: {text[found.start():][:6000]}")


class Programs:
    """The programs of a build tree."""

    def __init__(self, directory):
        directory = pathlib.Path(directory).resolve()
        self.opaline = directory / "opaline" / "opaline"
        self.opalined = directory / "opalined" / "opalined"


class Checks:
    """Counts what was right. A check says what it saw, so that a failure can be read without running it again."""

    def __init__(self):
        self.passed = self.failed = 0
        self.begun = time.monotonic()
        self.lock = threading.Lock()

    def __call__(self, right, text):
        with self.lock:
            self.passed += bool(right)
            self.failed += not right
            print(f"{'ok  ' if right else 'FAIL'} {text}", flush=True)
        return bool(right)

    def case(self, function, *arguments):
        """Runs one case; what it throws is a failure of it and not of those after it."""
        begun = time.monotonic()
        print(f"-- {function.__doc__.splitlines()[0]}", flush=True)
        try:
            function(self, *arguments)
            for log in list(Server.logs):
                Server.look_for_abort(log)
        except Exception as problem:  # noqa: BLE001
            self(False, f"{function.__name__}: {type(problem).__name__}: {problem}")
        Server.logs.clear()
        print(f"   ({time.monotonic() - begun:.1f} s)", flush=True)

    def end(self):
        print(f"{self.passed} passed, {self.failed} failed ({time.monotonic() - self.begun:.0f} s)")
        sys.exit(1 if self.failed or not self.passed else 0)


def run_cases(name, cases, arguments):
    """The main program of a test: DIR_WITH_PROGRAMS [CASE ...] [--OPTION ...]. Each case gets what `arguments` makes of programs and scratch directory, made once."""
    programs, chosen = Programs(sys.argv[1]), [word for word in sys.argv[2:] if not word.startswith("--")] or cases
    check = Checks()
    with tempfile.TemporaryDirectory(prefix=f"opaline-{name}-") as scratch:
        given = arguments(programs, pathlib.Path(scratch))
        for case in chosen:
            check.case(cases[case], *given)
    check.end()


class Outcome:
    """What a command did. `code` is None if it had to be killed because it did not end."""

    def __init__(self, code, lines, errors):
        self.code, self.lines, self.errors = code, lines, errors

    @property
    def said(self):
        """Everything that it told the person."""
        return " ".join([line["message"] for line in self.lines if line["event"] == "error"] + [self.errors]).strip()

    @property
    def texts(self):
        return [line["text"] for line in self.lines if line["event"] == "message"]

    @property
    def state(self):
        return next((line["state"] for line in self.lines if line["event"] == "message" and line["direction"] == "out"), None)

    @property
    def ended_well(self):
        """Ended by itself with an exit code that docs/cli.md knows, and with a reason if it is 1."""
        return self.code in (0, 3) or (self.code == 1 and bool(self.said))

    def __repr__(self):
        return f"exit code {self.code}, {self.lines[-2:]} {self.errors}"


def opaline(person, *arguments, url=None, within=HANG_SECONDS, fault=None):
    """Runs a command of a person against the server's present port, or against `url`; it dies at the point `fault`, if it comes there."""
    environment = {**os.environ, **({"OPALINE_FAULT": fault} if fault else {})}
    process = subprocess.Popen(person.command + ["--json", "--server", url or person.server.url, *map(str, arguments)], text=True,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    try:
        out, errors = process.communicate(timeout=within)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return Outcome(None, [], f"{' '.join(arguments)}: did not end within {within} s")
    if ABORTED.search(errors):
        raise Aborted(f"opaline {' '.join(arguments)} aborted: {errors[:6000]}")
    whole = [line for line in out.splitlines() if process.returncode >= 0 or line.endswith("}")]  # killed: the last may be half a line
    return Outcome(process.returncode, [json.loads(line) for line in whole], errors)


def history(person, direction, states=None, peer=None):
    """Texts of a person's history: ("out", WENT_OUT) is what was promised."""
    done = opaline(person, "history", *([peer] if peer else []), "--limit", "100000")
    if any(line.get("error") == "unknown_peer" for line in done.lines):
        return []
    if done.code != 0:
        raise RuntimeError(f"{person.name}'s history: {done}")
    return [line["text"] for line in done.lines if line.get("direction") == direction and (states is None or line["state"] in states)]


def quietly(function, *arguments):
    """Without what the walkthrough's classes print for newcomers."""
    out = sys.stdout
    with open(os.devnull, "w") as sys.stdout:
        try:
            return function(*arguments)
        finally:
            sys.stdout = out


def people(programs, server, homes, *names):
    """Registered people NAME with the handle NAME@example.org."""
    out = []
    for name in names:
        person = Person(name, f"{name.lower()}@example.org", programs.opaline, server, homes)
        registered, _ = quietly(person.register)
        if registered is None:
            raise RuntimeError(f"{name} could not register")
        out.append(person)
    return out


def settle(writers, readers):
    """Everything that is queued goes out and everything that waits is fetched, receipts too."""
    for _ in range(2):
        for each in (*writers, *readers):
            opaline(each, "receive")


class Following:
    """`receive --follow` of a person in the background."""

    def __init__(self, person, url=None):
        self.person, self.lines = person, []
        self.process = subprocess.Popen(person.command + ["--json", "--server", url or person.server.url, "receive", "--follow"], text=True,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.reader = threading.Thread(target=self._collect, daemon=True)
        self.reader.start()

    def _collect(self):
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    @property
    def texts(self):
        return [line["text"] for line in list(self.lines) if line["event"] == "message" and line["direction"] == "in"]

    def stop(self):
        """The exit code after Ctrl-C; None if it had to be killed."""
        self.process.send_signal(2)
        try:
            code = self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = None
        self.reader.join(timeout=10)
        return code


def tls(server, versions=(ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3), timeout=30):
    """A TLS connection to the server's public port, made by hand."""
    context = ssl.create_default_context(cafile=server.directory / "ca.pem")
    context.minimum_version, context.maximum_version = versions
    plain = socket.create_connection(("127.0.0.1", server.ports["public"]), timeout=timeout)
    try:
        return context.wrap_socket(plain, server_hostname="localhost")
    except BaseException:
        plain.close()
        raise
