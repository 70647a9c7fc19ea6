"""Starts a real server and real clients on this machine and shows a first conversation (./run).

Every line that says "=>" is checked: with --once the program ends with 0 only if all of them were right.
"""
import argparse
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request

BOLD, DIM, GREEN, RED, OFF = ("\033[1m", "\033[2m", "\033[32m", "\033[31m", "\033[0m") if sys.stdout.isatty() else ("",) * 5


def say(text=""):
    print(text, flush=True)


def wait_for(what, probe, seconds=60):
    """Polls until probe() gives something true; the time only bounds a hang."""
    end = time.monotonic() + seconds
    while True:
        found = probe()
        if found:
            return found
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(0.05)


class Checks:
    def __init__(self):
        self.wrong = 0

    def __call__(self, right, text):
        self.wrong += not right
        say(f"   {GREEN + '=>' if right else RED + '=> WRONG:'} {text}{OFF}")


class Server:
    def __init__(self, program, directory, any_port, environment=None, settings=()):
        self.directory = directory
        self.log = open(directory.parent / (directory.name + ".log"), "wb")
        (directory / "ports.json").unlink(missing_ok=True)  # of a server that was killed
        self.process = subprocess.Popen([program, "--dev", directory, *(["--port", "0"] if any_port else []), *[f"--set={setting}" for setting in settings]], stdout=self.log, stderr=subprocess.STDOUT,
                                        env={**os.environ, **(environment or {})})
        self.ports = wait_for("the server to start (see build/run/server.log)", self._ports)

    def _ports(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"the server ended at once; see {self.log.name}")
        try:
            return json.loads((self.directory / "ports.json").read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return None

    @property
    def url(self):
        return f"https://localhost:{self.ports['public']}"

    def metric(self, name):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports['metrics']}/metrics", timeout=10) as answer:
            for line in answer.read().decode().splitlines():
                if line.split(" ")[0] == name:
                    return int(float(line.split(" ")[1]))
        raise KeyError(f"the server has no metric {name}")

    def code_for(self, handle):
        """Development servers write codes to a file instead of sending them."""
        outbox = self.directory / "outbox.jsonl"
        lines = outbox.read_text().splitlines() if outbox.exists() else []
        codes = [json.loads(line)["code"] for line in lines if json.loads(line)["handle"] == handle]
        return codes[-1] if codes else None

    def files_with(self, text):
        """The files of the server (data, keys, log) that contain this text."""
        self.log.flush()
        files = [f for f in self.directory.rglob("*") if f.is_file()] + [pathlib.Path(self.log.name)]
        return [f.name for f in files if text.encode() in f.read_bytes()], len(files)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)


class Person:
    def __init__(self, name, handle, program, server, homes):
        self.name, self.handle, self.server = name, handle, server
        self.home = homes / name.lower()
        self.command = [str(program), "--home", str(self.home)]
        self.following = None

    def shown(self, *arguments):
        return "opaline --home ~/" + self.name.lower() + " " + " ".join(f'"{a}"' if " " in a else a for a in arguments)

    def run(self, *arguments, show=True):
        """Runs a command, shows it as typed and what it prints; returns (exit code, JSON lines)."""
        if show:
            say(f"   {DIM}{self.name} types:{OFF} {self.shown(*arguments)}")
        done = subprocess.run(self.command + ["--json", *arguments], capture_output=True, text=True, timeout=120)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        for line in lines:
            if line.get("event") == "error":
                say(f"   {RED}{line['message']}{OFF}")
        if done.stderr:
            say(done.stderr)
        return done.returncode, lines

    def register(self):
        say(f"   {DIM}{self.name} types:{OFF} {self.shown('register', self.handle)}")
        ca = self.server.directory / "ca.pem"
        process = subprocess.Popen(
            self.command + ["--json", "--server", self.server.url, "--ca", str(ca), "register", self.handle],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        code = wait_for("a registration code", lambda: self.server.code_for(self.handle))
        out, _ = process.communicate(code + "\n", timeout=120)
        lines = [json.loads(line) for line in out.splitlines()]
        return next((line for line in lines if line["event"] == "registered"), None), code

    def follow(self):
        say(f"   {DIM}{self.name} types:{OFF} {self.shown('receive', '--follow')}")
        self.following = subprocess.Popen(self.command + ["--json", "receive", "--follow"], stdout=subprocess.PIPE,
                                          stderr=subprocess.DEVNULL, text=True)
        self.lines = []

        def collect():
            for line in self.following.stdout:
                self.lines.append(json.loads(line))

        threading.Thread(target=collect, daemon=True).start()

    def sees(self, text):
        return wait_for(f"{self.name} to see '{text}'", lambda: next((m for m in self.lines if m.get("text") == text), None))

    def unfollow(self):
        self.following.send_signal(signal.SIGINT)
        code = self.following.wait(timeout=60)
        self.following = None
        return code


def texts(lines):
    return [line["text"] for line in lines if line.get("event") == "message"]


def conversation(server, homes, program, check):
    anna = Person("Anna", "anna@example.org", program, server, homes)
    ben = Person("Ben", "+4915112345678", program, server, homes)

    say(f"\n{BOLD}1. Two people register.{OFF} Each makes keys on their own device; the server learns only the public halves.")
    for person in (anna, ben):
        registered, code = person.register()
        check(registered is not None, f"{person.name} got the code {code} and is {person.handle}, account {(registered or {}).get('account', '?')[:8]}…")

    say(f"\n{BOLD}2. Both are online.{OFF} The message goes from device to device through the server's memory; no disk sees it.")
    ben.follow()
    wait_for("Ben to be connected", lambda: server.metric("opaline_device_connections") >= 1)
    code, lines = anna.run("send", ben.handle, "Hello Ben, this is Anna", "--until", "read")
    check(code == 0 and lines and lines[-1]["state"] == "read", f"Anna's message is '{lines[-1].get('state') if lines else '?'}'")
    message = ben.sees("Hello Ben, this is Anna")
    check(message["from"] == anna.handle, f"Ben sees: {message['from']}: {message['text']}")
    check(server.metric("opaline_envelopes_stored_total") == 0, "envelopes that the server has written to disk so far: 0")

    say(f"\n{BOLD}3. Ben goes offline, Anna writes on.{OFF} Now the server keeps the ciphertext, sealed once more under the key of the day.")
    check(ben.unfollow() == 0, "Ben has left (Ctrl-C)")
    for text in ("Shall we meet at the harbour?", "At eight?"):
        code, lines = anna.run("send", ben.handle, text)
        check(code == 0 and lines[-1]["state"] == "sent", f"'{text}' is '{lines[-1].get('state')}': safely stored, not yet delivered")
    waiting = server.metric("opaline_envelopes_stored_total") - server.metric("opaline_envelopes_removed_total")
    check(waiting >= 2, f"envelopes that wait on the server's disk: {waiting}")
    found, count = server.files_with("harbour")
    check(not found, f"files of the server (data, keys, log: {count}) that contain the word 'harbour': {len(found)}")

    say(f"\n{BOLD}4. Ben comes back.{OFF} He gets everything in order, once; what is delivered is gone from the server.")
    code, lines = ben.run("receive")
    check(code == 0 and texts(lines) == ["Shall we meet at the harbour?", "At eight?"], f"Ben sees: {' / '.join(texts(lines))}")
    code, lines = ben.run("receive")
    check(code == 0 and texts(lines) == [], "asked again, there is nothing new")
    code, lines = ben.run("send", anna.handle, "At eight. Bring a coat.")
    check(code == 0 and lines[-1]["state"] == "sent", f"Ben's answer is '{lines[-1].get('state')}'")
    code, lines = anna.run("receive")
    check(code == 0 and "At eight. Bring a coat." in texts(lines), f"Anna sees: {' / '.join(texts(lines))}")
    ben.run("receive", show=False)
    anna.run("receive", show=False)
    left = wait_for("the server to hold nothing", lambda: server.metric("opaline_envelopes_stored_total") == server.metric("opaline_envelopes_removed_total"))
    check(left, "envelopes that the server holds now: 0")

    say(f"\n{BOLD}5. Is it really Ben?{OFF} Both compare the safety number by voice: the same 60 digits mean that nobody stands between them.")
    _, ours = anna.run("verify", ben.handle)
    _, theirs = ben.run("verify", anna.handle)
    number = ours[-1].get("safety_number", "")
    check(len(number) == 60 and number == theirs[-1].get("safety_number"), f"Anna's and Ben's: {' '.join(number[i:i + 5] for i in range(0, 30, 5))} …")
    _, lines = anna.run("history", ben.handle)
    states = [line["state"] for line in lines if line.get("direction") == "out"]
    check(states == ["read"] * 3, f"Anna's history shows her messages as: {', '.join(states)}")
    return anna, ben


def link(primary, device, check, *flags):
    """Links `device` to the account of `primary` by comparing digits; what both printed."""
    ca = primary.server.directory / "ca.pem"
    say(f"   {DIM}{device.name} types:{OFF} {device.shown('link', *flags)}")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    new = subprocess.Popen(device.command + ["--json", "--server", primary.server.url, "--ca", str(ca), "link", *flags], **pipes)
    number = lines_until(new, "link_code")[-1]["number"]
    say(f"   {DIM}{primary.name} types:{OFF} {primary.shown('devices', 'add', number)}")
    old = subprocess.Popen(primary.command + ["--json", "--server", primary.server.url, "devices", "add", number], **pipes)
    digits = [lines_until(each, "link_digits")[-1]["digits"] for each in (new, old)]
    check(digits[0] == digits[1], f"both screens show {digits[0][:4]} {digits[0][4:]}; a person compares, and says yes on both")
    for each in (new, old):
        each.stdin.write("yes\n")
        each.stdin.flush()
    old_out, _ = old.communicate("yes\n", timeout=120)
    new_out, _ = new.communicate(timeout=120)
    check(old.returncode == 0 and new.returncode == 0, "the device is on the account's list")
    return [[json.loads(line) for line in out.splitlines()] for out in (old_out, new_out)]


def lines_until(process, event):
    """JSON lines of a process up to the first with this event."""
    lines = []
    for line in process.stdout:
        lines.append(json.loads(line))
        if lines[-1].get("event") == event:
            return lines
    raise RuntimeError(f"the program ended without '{event}': {lines[-1:]}")


def devices_and_files(anna, ben, server, homes, program, check):
    laptop = Person("Laptop", anna.handle, program, server, homes)
    say(f"\n{BOLD}6. Anna has a laptop, too.{OFF} It makes keys of its own; the account key stays on her phone, which signs the new device list.")
    _, lines = link(anna, laptop, check, "--name", "laptop", "--with-history")
    _, history = laptop.run("history", ben.handle, show=False)
    _, theirs = anna.run("history", ben.handle, show=False)
    check(sorted(texts(history)) == sorted(texts(theirs)) and texts(history), f"the laptop has the {len(texts(history))} messages that the phone gave it, device to device")
    code, lines = laptop.run("send", ben.handle, "Now from my laptop")
    check(code == 0 and lines[-1]["state"] == "sent", f"the laptop's message is '{lines[-1].get('state')}'")
    _, lines = ben.run("receive")
    check([line.get("from") for line in lines if line.get("text") == "Now from my laptop"] == [anna.handle], "Ben sees it from anna@example.org: his program has followed her device list")
    anna.run("receive")
    _, lines = anna.run("history", ben.handle, show=False)
    check("Now from my laptop" in texts(lines), "Anna's phone has it, too")

    say(f"\n{BOLD}7. A file, while the laptop is off.{OFF} It is encrypted on Ben's device; the server deletes it when each of Anna's devices has it.")
    photo = homes / "harbour.jpg"
    photo.write_bytes(os.urandom(1 << 20) + b"the end of the photo" * 1000)
    code, lines = ben.run("send", anna.handle, "The harbour", "--attach", str(photo))
    check(code == 0 and lines[-1]["state"] == "sent", f"the message with the file is '{lines[-1].get('state')}'")
    message = lines[-1]["id"]
    for person in (anna, laptop):
        person.run("receive")
        target = homes / f"{person.name.lower()}-files"
        target.mkdir()
        code, _ = person.run("save", message, "--to", str(target))
        saved = [path.read_bytes() for path in target.iterdir()]
        check(code == 0 and saved == [photo.read_bytes()], f"{person.name} has saved {photo.name}, {len(saved[0]) if saved else 0:,} bytes, checked against the hash in the message")
        left = server.metric("opaline_blobs")
        check(left == (1 if person is anna else 0), f"files that the server holds now: {left}")

    say(f"\n{BOLD}8. The laptop is sold.{OFF} Removed from the list, it is disconnected, and its queue is destroyed.")
    code, lines = anna.run("devices")
    number = next((line["device"] for line in lines if line.get("name") == "laptop"), 0)
    code, _ = anna.run("devices", "remove", str(number), "--yes")
    check(code == 0, "Anna's list has one device again")
    code, lines = laptop.run("receive", show=False)
    check(code == 1 and lines[-1].get("error") == "removed", "the laptop is told that it was removed")


def main():
    from walkthrough_business import businesses  # which need this module
    from walkthrough_records import legal_request, lookups
    from walkthrough_sms import short_message
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True, type=pathlib.Path)
    parser.add_argument("--dir", required=True, type=pathlib.Path)
    parser.add_argument("--once", action="store_true")
    parser.add_argument("--any-port", action="store_true", help="let the kernel choose, so that several can run")
    options = parser.parse_args()
    options.dir = options.dir.resolve()
    if options.dir.exists():
        if not (options.dir / ".opaline-run").exists() and any(options.dir.iterdir()):
            sys.exit(f"{options.dir} is not empty and not from an earlier ./run; name another directory with --dir")
        shutil.rmtree(options.dir)
    options.dir.mkdir(parents=True)
    (options.dir / ".opaline-run").touch()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    check = Checks()
    program, daemon = (options.bin.resolve() / name / name for name in ("opaline", "opalined"))
    server = Server(daemon, options.dir / "server", options.any_port)
    running, shop = [], None
    try:
        say(f"{BOLD}Opaline is up{OFF} at {server.url}, with a certificate authority of its own ({options.dir / 'server' / 'ca.pem'}).")
        try:
            anna, ben = conversation(server, options.dir, program, check)
            devices_and_files(anna, ben, server, options.dir, program, check)
            shop, _ = businesses(running, daemon, server, options.dir, anna, ben, options.any_port, check)
            lookups(anna, ben, check)
            short_message(program, daemon, options.dir / "short-message", check)
            legal_request(daemon, server, options.dir, anna, check)
        except (TimeoutError, KeyError, RuntimeError, subprocess.TimeoutExpired) as problem:
            check(False, f"{type(problem).__name__}: {problem}")
        if check.wrong:
            say(f"\n{RED}{check.wrong} steps were not right.{OFF} The logs are {options.dir}/*.log")
        if not options.once:
            say(f"\n{BOLD}Now you.{OFF} The server, the gateways and the businesses stay up until Ctrl-C. In another terminal:")
            say(f"   export PATH={program.parent}:$PATH")
            say(f"   opaline --home {options.dir / 'anna'} receive --follow")
            say(f"   opaline --home {options.dir / 'ben'} send anna@example.org \"hello from the other side\"")
            say(f"   opaline --home {options.dir / 'me'} --server {server.url} --ca {options.dir / 'server' / 'ca.pem'} register me@example.org")
            if shop:
                say(f"   {DIM}to the business, which knows the words list, time, quick, form, sign in, link and app:{OFF}")
                say(f"   opaline --home {options.dir / 'anna'} send {shop} \"a form, please\"")
                say(f"   opaline --home {options.dir / 'anna'} receive    {DIM}unless receive --follow runs, which shows it{OFF}")
                say(f"   opaline --home {options.dir / 'anna'} answer {shop}")
                say(f"   tail -f {options.dir / 'tea-house.log'}    {DIM}what the business sees{OFF}")
            say(f"   {DIM}(codes are in {options.dir / 'server' / 'outbox.jsonl'}; every command has --help){OFF}")
            try:
                server.process.wait()
            except KeyboardInterrupt:
                say("\nstopping")
    finally:
        codes = [each.stop() for each in reversed(running)]
        if options.once:
            check(not any(codes), "gateways have shut down cleanly")
        if server.process.poll() is None:
            code = server.stop()
            if options.once:
                check(code == 0, "the server has shut down cleanly")
    return 1 if check.wrong else 0


if __name__ == "__main__":
    os.environ.pop("OPALINE_HOME", None)
    sys.exit(main())
