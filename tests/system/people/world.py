"""What the stories of people_test.py share: a server, homes, commands as a person types them, and everything that --json said."""
import json
import os
import pathlib
import signal
import subprocess
import threading

from support import Server, wait_for

HANG_SECONDS = 90


class Done:
    """What a command did: exit code, standard output, standard error; with --json the objects."""

    def __init__(self, code, out, errors, lines):
        self.code, self.out, self.errors, self.lines = code, out, errors, lines

    @property
    def error(self):
        """The last error as an object; {} where there was none."""
        return next((line for line in reversed(self.lines) if line["event"] == "error"), {})

    @property
    def texts(self):
        return [line["text"] for line in self.lines if line["event"] == "message"]

    @property
    def notices(self):
        return [(line["notice"], line["peer"]) for line in self.lines if line["event"] == "notice"]

    def event(self, name):
        return next((line for line in reversed(self.lines) if line["event"] == name), {})

    def __repr__(self):
        return f"exit code {self.code}: {self.out[-400:].strip()} {self.errors[-400:].strip()}".strip()


class World:
    """A development server, the homes of people beside it, and all objects that --json ever printed."""

    def __init__(self, programs, directory, environment=None):
        self.programs, self.directory = programs, directory
        self.seen = []
        self.server = Server(programs.opalined, directory / "server", True, environment)
        self.port = self.server.ports["public"]
        self.authority = self.server.directory / "ca.pem"
        self.secret = directory / "secret.txt"
        self.secret.write_text("correct horse battery\nanother line\n")

    @property
    def url(self):
        return f"https://localhost:{self.port}"

    def codes(self, handle):
        outbox = self.server.directory / "outbox.jsonl"
        lines = outbox.read_text().splitlines() if outbox.exists() else []
        return [entry["code"] for entry in map(json.loads, lines) if entry["handle"] == handle]

    def home(self, name, **options):
        return Home(self, self.directory / name, **options)

    def person(self, name, handle=None):
        """A home that is registered as HANDLE (NAME@example.org)."""
        home = self.home(name)
        done = home.register(handle or f"{name}@example.org")
        if done.code != 0:
            raise RuntimeError(f"{name} could not register: {done}")
        return home

    def stop(self):
        return self.server.stop()

    def start(self):
        """Again, on the port that the homes know."""
        (self.server.directory / "ports.json").unlink(missing_ok=True)
        config = self.server.directory / "opalined.toml"
        self.server = Restarted(self.programs.opalined, self.server, self.port, config)

    def destroyed(self):
        """Mailboxes that the relay has destroyed with what waited in them."""
        return self.server.metric("opaline_relay_mailboxes_destroyed_total")


class Restarted(Server):
    """A development server on a given public port; the other listeners where the kernel wants."""

    def __init__(self, program, before, port, config):
        self.directory, self.log = before.directory, open(before.log.name, "ab")
        self.process = subprocess.Popen([program, "--config", config, "--set", f"public.listen=127.0.0.1:{port}", "--set", "operator.listen=127.0.0.1:0",
                                         "--set", "metrics.listen=127.0.0.1:0"], stdout=self.log, stderr=subprocess.STDOUT)
        self.ports = wait_for("the server to start again", self._ports)


class Home:
    """One device: a home directory and the commands that are typed for it."""

    def __init__(self, world, path, options=(), server=True, environment=None):
        self.world, self.path, self.environment = world, pathlib.Path(path), environment or {}
        self.options = list(options)
        if server:
            self.options += ["--server", world.url, "--ca", str(world.authority)]
        self.handle = None

    def command(self, *arguments, json_lines=True):
        return [str(self.world.programs.opaline), "--home", str(self.path), *(["--json"] if json_lines else []), *self.options, *map(str, arguments)]

    def start(self, *arguments, json_lines=True, **options):
        return subprocess.Popen(self.command(*arguments, json_lines=json_lines), text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, env={**os.environ, **self.environment}, **options)

    def end(self, process, typed=None):
        """Waits for a command; what is typed is its standard input. Its objects are remembered."""
        try:
            out, errors = process.communicate(typed, timeout=HANG_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            out, errors = process.communicate()
            return Done(None, out, errors + "(did not end)", [])
        lines = [json.loads(line) for line in out.splitlines()] if "--json" in process.args else []
        self.world.seen += lines
        return Done(process.returncode, out, errors, lines)

    def run(self, *arguments, typed="", json_lines=True, **options):
        return self.end(self.start(*arguments, json_lines=json_lines, **options), typed)

    def with_code(self, handle, arguments, before=(), after=(), **options):
        """A command that sends a code to HANDLE: types `before`, the code, and `after`."""
        known = len(self.world.codes(handle))
        process = self.start(*arguments, **options)
        wait_for(f"a code for {handle}", lambda: len(self.world.codes(handle)) > known or process.poll() is not None)
        codes = self.world.codes(handle)[known:]
        return self.end(process, "\n".join([*before, *codes, *after, ""]))

    def register(self, handle, options=(), before=(), after=(), **more):
        self.handle = handle
        return self.with_code(handle, ["register", handle, *options], before, after, **more)

    def history(self, *arguments):
        return self.run("history", *arguments).lines

    def states(self, peer):
        """The states of the messages to somebody, by text."""
        return {line["text"]: line["state"] for line in self.history(peer) if line.get("direction") == "out"}

    def follow(self):
        return Following(self)


class Following:
    """`receive --follow` in the background."""

    def __init__(self, home):
        self.home, self.lines = home, []
        self.process = home.start("receive", "--follow")
        self.reader = threading.Thread(target=self._collect, daemon=True)
        self.reader.start()
        wait_for("receive --follow to take the home", lambda: (home.path / "opaline.sock").exists() or self.process.poll() is not None)

    def _collect(self):
        for line in self.process.stdout:
            self.lines.append(json.loads(line))
            self.home.world.seen.append(self.lines[-1])

    def sees(self, what, probe):
        return wait_for(what, lambda: next((line for line in list(self.lines) if probe(line)), None))

    def stop(self, number=signal.SIGINT):
        """The exit code after Ctrl-C, or after it ended by itself."""
        if number is not None:
            self.process.send_signal(number)
        code = self.process.wait(timeout=HANG_SECONDS)
        self.reader.join(timeout=10)
        return code

    @property
    def texts(self):
        return [line["text"] for line in list(self.lines) if line["event"] == "message" and line["direction"] == "in"]


def mode(path):
    return oct(os.stat(path).st_mode & 0o777)[2:]
