"""Registration by mail, end to end: a mail server of our own, real certificates, `opalined --config`."""
import email
import email.policy
import email.utils
import json
import re
import subprocess
import sys
import threading

from world import Home
from support import Server, wait_for

FROM = "codes@chat.example.org"


def make_certificate(directory):
    """A self-signed certificate for localhost: (PEM with key for the server, PEM for those who trust it)."""
    key, certificate, both = directory / "mail.key", directory / "mail.crt", directory / "mail.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", certificate, "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    return both, certificate


class Sink:
    """A mail server that takes everything and says what happened."""

    def __init__(self, source, mode, *options):
        self.events = []
        self.process = subprocess.Popen([sys.executable, source / "src/identity/drivers/fake_smtp.py", mode, *map(str, options)], text=True, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        threading.Thread(target=self._collect, daemon=True).start()
        self.port = wait_for("the mail server", lambda: self.of("listening"))[0]["port"]

    def _collect(self):
        for line in self.process.stdout:
            self.events.append(json.loads(line))

    def of(self, kind):
        return [event for event in list(self.events) if event["event"] == kind]

    def mails(self, handle):
        return [mail for mail in self.of("mail") if f"<{handle}>" in mail["recipient"]]

    def stop(self):
        self.process.stdin.close()
        self.process.wait(timeout=30)


class MailServer(Server):
    """`opalined --config` that sends codes by mail; looks like a World to a Home."""

    def __init__(self, world, name, **smtp):
        self.programs, self.authority, self.seen = world.programs, world.authority, world.seen
        self.directory = world.directory / name
        self.directory.mkdir()
        lines = "\n".join(f"{key} = {json.dumps(value)}" for key, value in {"from": FROM, **smtp}.items())
        config = self.directory / "opalined.toml"
        config.write_text(f"""
[server]
name = "localhost"
[paths]
data = "data"
vault = "vault"
admin_socket = "admin.sock"
ports_file = "ports.json"
[public]
listen = "127.0.0.1:0"
certificate = "{world.server.directory / 'server.pem'}"
key = "{world.server.directory / 'server.key'}"
[operator]
listen = ""
[metrics]
listen = "127.0.0.1:0"
[registration]
delivery = "smtp"
[smtp]
{lines}
""")
        self.log = open(world.directory / f"{name}.log", "wb")
        self.process = subprocess.Popen([self.programs.opalined, "--config", config], stdout=self.log, stderr=subprocess.STDOUT)
        self.ports = wait_for("the server to start", self._ports)
        self.sink = None

    def codes(self, handle):
        return [re.search(r"^(\d{6})\r?$", mail["body"], re.MULTILINE).group(1) for mail in self.sink.mails(handle)]

    def home(self, name):
        return Home(self, self.directory / name)

    def log_events(self):
        self.log.flush()
        return [json.loads(line) for line in open(self.log.name) if line.startswith("{")]


def check_mail(check, mail, handle, code):
    """The envelope, the headers and the text of one mail."""
    check(mail["sender"].upper().startswith(f"MAIL FROM:<{FROM.upper()}>") and mail["recipient"].upper().startswith(f"RCPT TO:<{handle.upper()}>"),
          f"envelope: {mail['sender']} {mail['recipient']}")
    message = email.message_from_string(mail["body"], policy=email.policy.default)
    check(sorted(message.keys()) == sorted(["Date", "From", "To", "Message-ID", "Subject", "MIME-Version", "Content-Type", "Auto-Submitted"]) and not message.defects,
          f"headers, each once: {', '.join(message.keys())}")
    age = abs(email.utils.parsedate_to_datetime(message["Date"]).timestamp() - email.utils.localtime().timestamp())
    check(age < 300, f"Date: {message['Date']}")
    check(str(message["From"]) == FROM and str(message["To"]) == handle, f"From {message['From']}, To {message['To']}")
    check(re.fullmatch(r"<[0-9a-f]{32}@chat\.example\.org>", message["Message-ID"]), f"Message-ID: {message['Message-ID']}")
    text = message.get_content()
    check(re.findall(r"\d{6,}", text) == [code] and code not in str(message["Subject"]), f"the code once, in the text and not in the subject '{message['Subject']}'")
    check("10 minutes" in text and "ignore this mail" in text and "Nobody" in text, f"the text teaches: {text.strip()!r}")
    check(all(len(line) <= 78 and line.isascii() for line in text.splitlines()), "short lines of ASCII")


def story_mail(check, world, source):
    """Registration by mail: STARTTLS with login, TLS from the start, plain where it is allowed"""
    certificate, trusted = make_certificate(world.directory)
    password = world.directory / "mail.password"
    password.write_text("a mail password\n")
    password.chmod(0o600)
    secure = {"ca_file": str(trusted)}
    for mode, scheme, options in (("starttls", "smtp", {**secure, "user": "opaline", "password_file": str(password)}), ("smtps", "smtps", secure),
                                  ("plain", "smtp", {"allow_plaintext": True})):
        sink = Sink(source, mode, *(["--cert", certificate] if mode != "plain" else []))
        server = MailServer(world, f"mail-{mode}", url=f"{scheme}://localhost:{sink.port}", **options)
        server.sink = sink
        home, handle = server.home("anna"), "anna.smith+opaline@example.org"
        done = home.register(handle)
        check(done.code == 0 and done.event("registered"), f"{mode}: registered by the code of the mail")
        mail = sink.mails(handle)[0]
        check(mail["secure"] == (mode != "plain") and mail["user"] == ("/opaline/a mail password" if mode == "starttls" else None), f"{mode}: encrypted {mail['secure']}, user {mail['user']}")
        check_mail(check, mail, handle, server.codes(handle)[0])
        if mode == "plain":
            other = server.home("other")
            check(other.register(handle).code == 0, "a takeover by mail")
            first, second = sink.mails(handle)
            check(first["body"].replace(server.codes(handle)[0], "C") != second["body"] and re.search("Message-ID: .*", first["body"])[0] not in second["body"], "another Message-ID")

            def bare(mail, code):
                return re.sub(r"(Date|Message-ID): .*", "", mail["body"]).replace(code, "CODE")

            check(bare(first, server.codes(handle)[0]) == bare(second, server.codes(handle)[1]), "the mail for a taken handle is the one for a free handle")
            done = server.home("phone").run("register", "+4915112345678")
            check(done.code == 1 and "phone number" in done.error.get("message", ""), f"no codes to phones: {done.error.get('message')}")
            more = len(sink.of("mail"))
            for bad in ("x@example.org\r\nBcc: victim@example.org", "x@example.org> <victim@example.org", "x,victim@example.org", "\"x\nBcc: v\"@example.org"):
                done = server.home("bad").run("register", bad)
                check(done.code == 1 and len(sink.of("mail")) == more, f"no injection: {bad!r}")
            done = None
            for i in range(40):
                done = server.home("many").run("register", f"many{i}@example.org", "--code", "000000")
                if done.error.get("error") == "quota":
                    break
            check("from this address" in done.error.get("message", "") and 0 < done.error.get("retry_after_seconds", 0) <= 3600 and i >= 20,
                  f"a source's quota, after {i} more: {done.error}")
            check(home.run("account").code == 1 and other.run("account").code == 0, "who is registered is not touched by it")
        log = open(server.log.name).read()
        check(handle not in log and server.codes(handle)[0] not in log and "a mail password" not in log, f"{mode}: the log names no address, code or password")
        check(server.stop() == 0, f"{mode}: the server shuts down")
        sink.stop()


def story_mail_trouble(check, world, source):
    """Mail that does not go: nothing in the clear, and people are told"""
    certificate = world.directory / "mail.pem"
    sinks = [Sink(source, "plain"), Sink(source, "starttls", "--cert", certificate)]
    for name, url, seen in (("without-tls", f"smtp://localhost:{sinks[0].port}", sinks[0]), ("untrusted", f"smtp://localhost:{sinks[1].port}", sinks[1]),
                            ("down", "smtp://localhost:1", None)):
        server = MailServer(world, f"mail-{name}", url=url)
        home = server.home("anna")
        done = home.run("register", "anna@example.org")
        check(done.code == 1 and done.event("code_sent"), f"{name}: the first one cannot know")
        event = wait_for("a log event", lambda: next((e for e in server.log_events() if e["event"] == "identity.smtp_failing"), None))
        check(event["level"] == "warning" and "anna" not in json.dumps(event), f"{name}: the log says {event['why']}")
        done = wait_for("the server to notice", lambda: (lambda d: d if not d.event("code_sent") else None)(home.run("register", "ben@example.org")))
        check(done.code == 1 and "cannot be sent at the moment" in done.error["message"] and done.error.get("retry_after_seconds") == 60,
              f"{name}: the next ones are told: {done.error['message']}")
        check(seen is None or (seen.of("connected") and not seen.of("mail")), f"{name}: no code went out")
        check(server.stop() == 0, f"{name}: the server shuts down")
    for sink in sinks:
        sink.stop()
    for problem, smtp in (("smtp.url", {"url": "http://localhost"}), ("smtp.from", {"from": "nobody"}), ("smtp.from", {"from": "a@b.org>\r\nBcc: <c@d.org"}),
                          ("smtp.allow_plaintext", {"user": "u", "password_file": str(world.secret), "allow_plaintext": True}), ("smtp.password_file", {"user": "u"})):
        done = subprocess.run([world.programs.opalined, "--dev", world.server.directory, "--set", "registration.delivery=smtp",
                               *[word for key, value in smtp.items() for word in ("--set", f"smtp.{key}={json.dumps(value)}")], "--check-config"], capture_output=True, text=True, timeout=60)
        check(done.returncode == 2 and problem in done.stderr, f"--check-config: {' '.join(done.stderr.split())}")
