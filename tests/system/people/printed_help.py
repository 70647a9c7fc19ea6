"""Stories of --help, of the examples in it, and of errors that say what to do."""
import os
import re
import signal
import ssl
import socket
import subprocess
import threading

from business_test import Gateway, Software
from support import wait_for

FORM = {"version": "1.2", "template": "messageForms", "data": {"startPageIdentifier": "size", "pages": [
    {"pageIdentifier": "size", "type": "select", "title": "Size", "multipleSelection": False, "nextPageIdentifier": "colour",
     "items": [{"identifier": name, "title": name, "value": name} for name in ("Small", "Large")]},
    {"pageIdentifier": "colour", "type": "input", "title": "Colour", "submitForm": True, "options": {"inputType": "singleline"}}]}}
LIST = {"sections": [{"title": "Tea", "order": 0, "items": [{"identifier": name, "title": name, "order": i} for i, name in enumerate(("Green", "Black"))]}]}
LINE = re.compile(r"^  (?:-\w,)?(--[\w-]+)", re.MULTILINE)


def pages(program, path=()):
    """(command path, text of --help) of a program and all its subcommands."""
    done = subprocess.run([program, *path, "--help"], capture_output=True, text=True, timeout=60)
    yield path, done.stdout if done.returncode == 0 else ""
    listed = re.search(r"^Subcommands:\n((?:  .*\n)+)", done.stdout, re.MULTILINE)
    for name in re.findall(r"^  (\S+)", listed.group(1), re.MULTILINE) if listed else ():
        yield from pages(program, (*path, name))


def examples(text):
    """The command lines that a help text shows."""
    return [line.strip() for line in re.findall(r"^  ((?:echo .* \| )?opalined? .*)$", text, re.MULTILINE)]


def story_help(check, world, source):
    """Every --help teaches, with an example; every option is documented"""
    for program, document in ((world.programs.opaline, "docs/cli.md"), (world.programs.opalined, "docs/operations.md")):
        page = (source / document).read_text()
        seen = 0
        for path, text in pages(program):
            seen += 1
            name = " ".join([program.name, *path])
            check(f"Usage: {name}" in text and examples(text), f"{name} --help has a usage and an example")
            missing = [option for option in LINE.findall(text) if option not in page]
            check(not missing, f"{name}: every option is in {document} {missing if missing else ''}")
            terse = [line for line in re.findall(r"^  (?:-\w,)?(?:--[\w-]+|[A-Z]+)\b.*(?:\n {20,}.*)?", text, re.MULTILINE) if not re.search(r"\S {2,}\S|\n\s+\S", line)]
            check(not terse, f"{name}: every option says what it does {terse if terse else ''}")
        check(seen > 8, f"{program.name}: {seen} pages")
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=60)
        check(done.returncode == 0 and re.match(rf"{program.name} \d+\.\d+\.\d+ \(OpenSSL 3\.", done.stdout), f"--version: {done.stdout.strip()}")


class Shell:
    """Types the examples as they stand, with a directory of its own for each program's defaults."""

    def __init__(self, world):
        self.world, self.directory, self.home, self.shop = world, world.directory / "typed", None, None
        self.directory.mkdir()
        (self.directory / "secret.txt").write_text("a passphrase\n")
        for name in ("plan.pdf", "photo.jpg"):
            (self.directory / name).write_text(name)
        (self.directory / "Downloads").mkdir()
        path = f"{world.programs.opaline.parent}:{world.programs.opalined.parent}:{os.environ['PATH']}"
        self.environment = {**os.environ, "PATH": path, "OPALINE_CA": str(world.authority), "OPALINED_CONFIG": str(world.server.directory / "opalined.toml")}

    def start(self, line):
        return subprocess.Popen(["sh", "-c", "exec " + line if "|" not in line else line], cwd=self.directory, env=self.environment, text=True, stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)

    @staticmethod
    def signal(process, number):
        if process.poll() is None:
            os.killpg(process.pid, number)

    def waiting_device(self):
        """A home that runs `opaline link`: its process, code and number."""
        home = self.directory / f"linked{len(list(self.directory.iterdir()))}"
        return self.shown(self.start(f"opaline --server {self.world.url} --home {home} link --name example"))

    @staticmethod
    def shown(process):
        """What `opaline link` shows before it waits."""
        out = ""
        while "Show the code" not in out and (line := process.stdout.readline()):
            out += line
        return process, re.search(r"opaline-link:[\w-]+", out).group(0), re.search(r"add (\d{3} \d{3} \d{3})", out).group(1)

    def type_device(self, line):
        """The examples that need a second device, another account, or a message that is there; None: it is none of them."""
        if " link" in line and "register" not in line:
            process, code, _ = self.shown(self.start(line))
            added, said = self.type(f"opaline devices add {code} --yes")
            errors = process.communicate(timeout=90)[1]
            return added or process.returncode, said + errors
        if "devices add" in line and "--yes" not in line:
            process, code, number = self.waiting_device()
            typed = line.replace("opaline-link:AbCd...", code) if "opaline-link" in line else f"opaline devices add {number}"
            other = self.start(typed)
            process.stdin.write("yes\n")
            process.stdin.flush()
            out, errors = other.communicate("yes\nyes\n", timeout=90)
            errors += process.communicate(timeout=90)[1]
            return other.returncode or process.returncode, out + errors
        if "recovery import" in line:  # of an account that no other example needs
            spare = self.world.home(self.directory / f"spare{len(list(self.directory.iterdir()))}")
            spare.register(f"{spare.path.name}@example.org")
            done = spare.run("recovery", "export", self.directory / "opaline.recovery", "--force", "--recovery-passphrase-file", self.directory / "secret.txt")
            if done.code != 0:
                return done.code, str(done)
        if re.search(r"^opaline .*urn:biz:", line):
            return self.type_to_business(line)
        if (example := re.search(r"dead-letters retry ([\w-]{36})", line)) is not None:
            return self.run(line.replace(example.group(1), self.dead_letter()), "")
        if (example := re.search(r"urn:biz:([\w-]{36})", line)) is not None:  # a business for each, which the example may remove
            kind = "--own-gateway" if "enrol" in line else "--webhook https://shop.example.org/hook"
            made = re.search(r'"id":"([\w-]+)"', self.run(f"opalined admin --json business create Example {kind}", "")[1])
            return self.run(line.replace(example.group(1), made.group(1)), "") if made else (1, "no business")
        if "opaline save" in line:
            said = self.type("opaline --json send ben@example.org --attach plan.pdf --attach photo.jpg")[1]
            ident = re.search(r'"event":"message".*?"id":"(\w{8})', said)
            return self.run(line.replace("3f2a90c1", ident.group(1)), "") if ident else (1, said)
        if "opaline cancel" in line:
            self.run("env OPALINE_FAULT=files.after_accepted opaline send ben@example.org --attach plan.pdf", "")
            ident = re.search(r'"event":"upload","id":"(\w{8})', self.run("opaline --json history", "")[1])
            return self.run(line.replace("77c0a5e2", ident.group(1)), "") if ident else (1, "no upload")
        if "opaline delete" in line:
            said = self.type("opaline --json send ben@example.org \"to be deleted\"")[1]
            ident = re.search(r'"id":"(\w+)"', said)
            return self.run(line.replace("00112233445566778899aabbccddeeff", ident.group(1)), "yes\n") if ident else (1, said)
        return None

    def type_to_business(self, line):
        """The examples of writing to a business: one that is there, and asks what is answered. Wrong if the business does not hear of it."""
        shop = self.open_shop()
        line = re.sub(r"urn:biz:[\w-]{36}", shop.urn, line).replace("https://chat.example.org", self.world.url)
        if "business unblock" not in line:
            person = self.greet(shop)["person"]
        if " answer " in line:
            shop.ask(person, "A question", **({"dynamic": FORM} if "=" in line else {"listPicker": LIST}))
            self.run("opaline receive", "")
        known, words = len(shop.got), {" answer ": "interactive", " share ": "text", " send ": "text", "business close": "close"}
        code, said = self.run(line, "")
        if "business check" in line:  # a hosted gateway has no fingerprint of its own; src/client/gateway_check_test.cpp has one that has
            return (0 if "there is nothing to be checked" in said else code or 1), said
        kind = next((kind for word, kind in words.items() if word in line), None)
        if code == 0 and kind:
            wait_for(f"the business to hear of: {line}", lambda: any(message["type"] == kind for message in shop.got[known:]))
        return code, said

    def greet(self, shop):
        """The webhook of a text that is typed here."""
        known = len(shop.got)
        code, said = self.run(f"opaline send {shop.urn} hello", "")
        if code != 0:
            raise RuntimeError(f"the business is not to be written to: {said}")
        return wait_for("the business to hear it", lambda: next((message for message in shop.got[known:] if message.get("body") == "hello"), None))

    def dead_letter(self):
        """The id of a message that a business's software has refused."""
        shop = self.open_shop()
        shop.status = 400
        message = self.greet(shop)["id"]
        wait_for("the dead letter", lambda: message in self.run("opalined admin dead-letters list --json", "")[1])
        shop.status = 200
        return message

    def open_shop(self):
        """A business with a gateway of the service's, from the first example that needs one."""
        if self.shop is None:
            self.world.server.programs = self.world.programs
            self.shop = Software(self.world.server, "Example")
            self.shop.answers = False
            self.shop.gateway = Gateway(self.world.programs, self.world.server)
            self.shop.reach(self.shop.gateway)
        return self.shop

    def close_shop(self):
        """The gateway's exit code."""
        return self.shop.gateway.stop() if self.shop else 0

    def run(self, line, typed):
        process = self.start(line)
        out, errors = process.communicate(typed, timeout=90)
        return process.returncode, (out + errors).strip()

    def type(self, line):
        """Runs an example; the exit code and what was said."""
        line = line.replace("https://chat.example.org", self.world.url).replace("https://HOST", self.world.url).replace(" && systemctl enable --now opalined", "")
        if (done := self.type_device(line)) is not None:
            return done
        if " register " in line:
            self.environment["OPALINE_HOME"] = str(self.directory / f"home{len(list(self.directory.iterdir()))}")
            if self.home is None or "register anna@" in line:  # a second registration of Anna's takes over from the first
                self.home = self.environment["OPALINE_HOME"]
        handle = re.search(r"(?:register|handle add) (\S+)", line)
        known = len(self.world.codes(handle.group(1))) if handle else 0
        typed = "2580\n" if line.endswith("pin set") else ""
        if "--dev" in line:
            line += " --port 0"
        process = self.start(line)
        if handle:
            wait_for("a code", lambda: len(self.world.codes(handle.group(1))) > known or process.poll() is not None)
            typed = self.world.codes(handle.group(1))[-1] + "\n"
        if "--follow" in line:
            wait_for("the home to be taken", lambda: os.path.exists(os.path.join(self.environment["OPALINE_HOME"], "opaline.sock")) or process.poll() is not None)
            self.signal(process, signal.SIGINT)
        if "--dev" in line:
            wait_for("a server", lambda: (self.directory / "try" / "ports.json").exists() or process.poll() is not None)
            self.signal(process, signal.SIGTERM)
        try:
            out, errors = process.communicate(typed, timeout=90)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, errors = process.communicate()
        if self.home:
            self.environment["OPALINE_HOME"] = self.home
        return process.returncode, (out + errors).strip()


def story_examples(check, world):
    """The examples of --help work as they are typed"""
    world.person("ben-of-examples", "ben@example.org")
    shell = Shell(world)
    lines = {}
    for program in (world.programs.opaline, world.programs.opalined):
        for path, text in pages(program):
            for line in examples(text):
                lines.setdefault(re.sub(r"   +\(.*\)$", "", line), path)
    wants_server_down = [line for line in lines if " restore " in line]
    last = [line for line in lines if "account delete" in line or "operator revoke" in line]
    order = [line for line in lines if line not in last and line not in wants_server_down] + last
    for line in order:
        if "accept" in line:  # somebody has to have changed
            shell.type("opaline send ben@example.org hello")
            world.home("ben-anew").register("ben@example.org")
            wait_for("the alarm", lambda: "belongs to another account" in shell.type("opaline send ben@example.org hello")[1])
        code, said = shell.type(line)
        if "--sms" in line:  # Ben is here; tests/system/sms_texts_test.py has a carrier
            check(code == 1 and "is here" in said, f"$ {line}: {said}")
            continue
        check(code == 0, f"$ {line}{'' if code == 0 else f': exit code {code}: {said}'}")
        lines[line] = None
    check(shell.close_shop() == 0, "the gateway has shut down cleanly")
    backup = shell.directory / "opaline.backup"
    empty = shell.directory / "restored"
    empty.mkdir()
    for line in wants_server_down:
        shell.environment["OPALINED_CONFIG"] = str(restored_config(world, empty))
        code, said = shell.type(line)
        check(code == 0 and backup.exists(), f"$ {line}: {said}")


def restored_config(world, directory):
    """The server's configuration with an empty data directory and vault."""
    text = (world.server.directory / "opalined.toml").read_text()
    for name in ("server.pem", "server.key", "outbox.jsonl"):
        text = text.replace(f'"{name}"', f'"{world.server.directory / name}"')
    path = directory / "opalined.toml"
    path.write_text(text)
    return path


def raw_server(answer):
    """A TCP server that answers the first bytes with these and closes; None: it says nothing."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            connection, _ = listener.accept()
            connection.recv(1024)
            if answer is not None:
                connection.sendall(answer)
            connection.close()

    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1]


def web_server(world):
    """An HTTPS server with the world's certificate that is not Opaline's."""
    listener = socket.create_server(("127.0.0.1", 0))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(world.server.directory / "server.pem", world.server.directory / "server.key")

    def serve():
        while True:
            connection, _ = listener.accept()
            try:
                with context.wrap_socket(connection, server_side=True) as secure:
                    secure.recv(4096)
                    secure.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno\n")
            except OSError:
                pass

    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1]


def story_errors(check, world):
    """Errors say what is wrong and what to do"""
    nobody = world.home("nobody", server=False)
    anna = world.person("anna-of-errors")

    def says(done, code, *words):
        text = done.errors or done.error.get("message", "")
        check(done.code == code and all(word in text for word in words), f"exit code {done.code}: {' '.join(text.split())}")

    for arguments, words in (([], ["to be done", "--help"]), (["sned"], ["'sned'", "--help"]), (["handle", "ad", "x"], ["'ad'", "--help"]), (["send", "x@example.org"], ["TEXT", "--help"]),
                             (["receive", "--folow"], ["--folow"]), (["send", "a@example.org", "x", "--until", "soon"], ["soon", "sent"]), (["receipts", "maybe"], ["maybe", "on"])):
        says(nobody.run(*arguments), 2, *words)
    for arguments in (["send", "a@example.org", "x"], ["receive"], ["account"], ["history"], ["verify", "a@example.org"], ["receipts", "on"], ["pin", "remove"]):
        says(nobody.run(*arguments), 1, "there is no account", str(nobody.path), "opaline register")
    check(not nobody.path.exists(), "and a home that is not there is not made by looking")
    says(nobody.run("register", "a@example.org"), 1, "which server", "--server https://")

    def register(url, *options, name=[0]):
        name[0] += 1
        return world.home(f"nowhere{name[0]}", options=["--server", url, *options], server=False).run("register", "a@example.org")

    authority = ["--ca", str(world.authority)]
    for url in ("http://localhost:8443", "localhost:8443", "https:/localhost", "https://", "https://a b", "ftp://localhost", "https://localhost:99999"):
        says(register(url), 1, "no server address", "https://HOST")
    says(register("https://localhost:1"), 1, "cannot reach https://localhost:1", "--server")
    says(register("https://no-such-host.invalid"), 1, "no-such-host.invalid", "--server")
    says(register(world.url), 1, "not trusted", "--ca FILE")
    says(register(world.url, "--ca", "/nonexistent.pem"), 1, "cannot read /nonexistent.pem")
    says(register(world.url, "--ca", str(world.server.directory / "server.key")), 1, "--ca", "PEM")
    other = world.directory / "other.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", str(world.directory / "other.key"), "-out", str(other), "-days", "2",
                    "-subj", "/CN=another authority"], check=True, capture_output=True)
    says(register(world.url, "--ca", str(other)), 1, "not trusted")
    says(register(f"https://localhost:{raw_server(b'hello')}", *authority), 1, "localhost")
    says(register(f"https://localhost:{raw_server(None)}", *authority), 1, "localhost")
    web = f"https://localhost:{web_server(world)}"
    says(register(web, *authority), 1, "server")
    says(world.home("anna-of-errors", options=["--server", web, *authority], server=False).run("receive"), 1, "not as an Opaline server does")
    says(world.home("anna-of-errors", options=["--server", world.url.replace("localhost", "127.0.0.1")], server=False).run("receive"), 1, "localhost", "127.0.0.1", "--server")
    says(anna.run("send", "no handle", "x"), 1, "neither a phone number", "e-mail address")
    says(anna.run("send", "nobody@elsewhere.example.org", "x"), 1, "nobody@elsewhere.example.org", "not reachable here")
    says(anna.run("send", anna.handle, "x"), 1, "your own account")
    says(anna.run("verify", anna.handle), 1, "your own account")
    peer = world.person("peer-of-errors")
    says(anna.run("send", peer.handle, ""), 1, "empty")
    says(anna.run("send", peer.handle, "x" * 16385), 1, "16,384")
    says(anna.run("accept", peer.handle), 1, "has not changed")
    says(anna.run("accept", "stranger@elsewhere.example.org"), 1, "not reachable here")
    (world.directory / "a-file").write_text("")
    says(world.home("a-file").run("register", "a@example.org"), 1, "a-file")
    server_errors(check, world)


def server_errors(check, world):
    """The same for opalined."""
    def says(arguments, code, *words):
        done = subprocess.run([world.programs.opalined, *map(str, arguments)], capture_output=True, text=True, timeout=90)
        check(done.returncode == code and all(word in done.stderr for word in words), f"opalined {' '.join(map(str, arguments[:3]))}: exit code {done.returncode}: {done.stderr.strip()}")

    directory = world.server.directory
    says(["serve"], 2, "serve", "--help")
    says(["admin", "statu"], 2, "'statu'", "--help")
    says(["--config", "/nonexistent.toml"], 2, "/nonexistent.toml", "opalined.example.toml")
    says(["--config", "/nonexistent.toml", "admin", "status"], 2, "/nonexistent.toml")
    says(["--dev", directory, "--port", "0"], 1, str(world.server.process.pid))
    says(["--dev", directory, "--set", "relay.retention_day=3", "--check-config"], 2, "retention_days")
    says(["--dev", directory, "--set", "accounts.calls_per_hour=1", "--check-config"], 2, "200 to")
    says(["--dev", directory, "--role", "sms", "--check-config"], 2, "sms")
    says(["admin", "--socket", world.directory / "none.sock", "status"], 1, "none.sock")
    says(["--dev", directory, "restore", world.directory / "none.backup", "--passphrase-file", world.secret], 1, "is not empty")
