"""A legal request from its arrival to the folder that is handed over, with the real programs; and what must not work.

    python3 tests/system/records_test.py DIR_WITH_PROGRAMS
"""
import csv
import datetime
import json
import pathlib
import shutil
import subprocess
import sys
import urllib.request
import ssl

from support import Server, opaline, people, run_cases

PASSPHRASE = "a long passphrase of mine"


class Officer:
    """Somebody with a token, a key and a home of their own."""

    def __init__(self, world, name):
        self.world, self.name, self.home = world, name, world.scratch / f"officer-{name}"
        token = world.admin("operator", "create", name, "--role", "officer")["token"]
        self.token = world.scratch / f"{name}.token"
        self.token.write_text(token + "\n")
        self.passphrase = world.scratch / f"{name}.passphrase"
        self.passphrase.write_text(PASSPHRASE + "\n")

    def __call__(self, *words, json_wanted=False):
        done = subprocess.run([self.world.program, "--home", self.home, "--yes", "--passphrase-file", self.passphrase, *(["--json"] if json_wanted else []), *map(str, words)],
                              capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120)
        if json_wanted and done.returncode == 0:
            return json.loads(done.stdout)
        return done

    def begin(self):
        told = self("connect", self.world.operators, "--ca", self.world.server.directory / "ca.pem", "--token-file", self.token)
        if told.returncode != 0:
            raise RuntimeError(f"connect: {told.stderr}")
        made = self("key", "create")
        if made.returncode != 0:
            raise RuntimeError(f"key create: {made.stderr}")
        return self


class World:
    def __init__(self, programs, scratch):
        self.programs, self.scratch = programs, scratch
        self.program = programs.opaline.parent.parent / "opaline-records" / "opaline-records"
        self.server = Server(programs.opalined, scratch / "server", True)
        self.operators = f"http://127.0.0.1:{self.server.ports['operator']}"  # a development server: loopback, without TLS
        (scratch / "homes").mkdir()
        self.anna, self.ben = people(programs, self.server, scratch / "homes", "Anna", "Ben")
        for text in ("one", "two"):
            opaline(self.anna, "send", "ben@example.org", text)
        opaline(self.anna, "send", "nobody@example.org", "not here")
        self.vera, self.wim = Officer(self, "vera").begin(), Officer(self, "wim").begin()

    def admin(self, *words):
        done = subprocess.run([self.programs.opalined, "--dev", self.server.directory, "admin", "--json", *words], capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    def fingerprint(self):
        tls = ssl.create_default_context(cafile=self.server.directory / "ca.pem")
        with urllib.request.urlopen(f"{self.server.url}/v1/ledger/heads", context=tls, timeout=10) as answer:
            return json.load(answer)["fingerprint"]


def opened(officer, instrument="court_order", **changes):
    now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    fields = {"authority": "District Court 5", "instrument": instrument, "reference": "12 Cs 3/26", "jurisdiction": "DE", "handle": "anna@example.org",
              "from": (now - datetime.timedelta(days=5)).strftime("%Y-%m-%dT%H:%M:%SZ"), "to": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
              "served": now.strftime("%Y-%m-%d"), "due": (now + datetime.timedelta(days=14)).strftime("%Y-%m-%d"), **changes}
    return officer("case", "open", *[word for name, value in fields.items() for word in (f"--{name.replace('_', '-')}", value)], json_wanted=True)["case"]


def whole(check, world):
    """A court order, from opening to verify on another machine"""
    import time
    time.sleep(1.1)  # a case asks for whole seconds that have passed; the lookups were made in this one
    case = opened(world.vera)
    check(case.endswith("-0001"), f"a case: {case}")
    preview = world.vera("case", "approve", case)
    check("asked for others 2 times" in preview.stdout, f"what is signed is shown as counts: {preview.stdout}")
    again = world.vera("case", "approve", case)
    check(again.returncode == 1 and "another officer must" in again.stderr, f"one officer is not two: {again.stderr}")
    early = world.vera("produce", case, "--folder", world.scratch / "early")
    check(early.returncode == 1 and not (world.scratch / "early").exists(), f"nothing is handed out before: {early.stderr}")
    check(world.wim("case", "approve", case).returncode == 0, "the second signature")
    folder = world.scratch / "handed-over"
    made = world.wim("produce", case, "--folder", folder)
    check(made.returncode == 0, f"produced: {made.stdout} {made.stderr}")
    check(sorted(file.name for file in folder.iterdir()) == ["lookups.csv", "lookups.json", "manifest.json", "statement.html"], "four files")
    rows = list(csv.DictReader((folder / "lookups.csv").open(newline="")))
    check([(row["looked_up_handle"], row["capable_devices"]) for row in rows] == [("ben@example.org", "1"), ("nobody@example.org", "0")],
          f"two lookups, though three messages: {rows}")
    check(all(row["source_handle"] == "anna@example.org" and "127.0.0.1" in row["source_ip"] for row in rows), "with source and address")
    elsewhere = world.scratch / "elsewhere"
    shutil.copytree(folder, elsewhere)
    stranger = [world.program, "--home", world.scratch / "nobody", "verify", elsewhere, "--service", world.fingerprint()]
    done = subprocess.run(stranger, capture_output=True, text=True)
    check(done.returncode == 0 and "is what it says" in done.stdout, f"checked by somebody with nothing but the folder and the fingerprint: {done.stdout}")
    for name in ("lookups.csv", "lookups.json", "statement.html", "manifest.json"):
        content = (elsewhere / name).read_bytes()
        at = content.rfind(b"1")
        (elsewhere / name).write_bytes(content[:at] + b"2" + content[at + 1:])
        done = subprocess.run(stranger, capture_output=True, text=True)
        check(done.returncode == 1 and "must not be relied upon" in done.stdout, f"a changed digit in {name} is found: {done.stdout[done.stdout.find('BAD'):].splitlines()[0]}")
        (elsewhere / name).write_bytes(content)
    check(world.vera("produce", case, "--folder", folder).returncode == 1, "a folder that exists is not written over")
    check("intact" not in world.vera("ledger", "verify").stderr and world.vera("ledger", "verify").returncode == 0, "the ledger is as it was")
    shown = world.vera("case", "show", case).stdout
    check("vera  opened" in shown and "wim  extracted" in shown, f"who did what is shown: {shown}")
    check(world.vera("case", "close", case, "--reason", "handed over", json_wanted=True)["state"] == "closed", "closed")


def refused(check, world):
    """Who is no officer, or has no right, gets nothing and is recorded"""
    case = opened(world.vera, reference="second")
    owner = world.admin("operator", "create", "olga", "--role", "owner")["token"]
    for who, token in (("an owner", owner), ("nobody", "opaline_op_" + "A" * 43)):
        home = world.scratch / f"home-{who.split()[-1]}"
        file = world.scratch / "other.token"
        file.write_text(token)
        done = subprocess.run([world.program, "--home", home, "--yes", "connect", world.operators, "--ca", world.server.directory / "ca.pem", "--token-file", file],
                              capture_output=True, text=True, stdin=subprocess.DEVNULL)
        check(done.returncode == 1, f"{who} is refused: {done.stderr}")
    trail = json.dumps(world.admin("audit", "--limit", "1000"))
    check('"denied"' in trail and "olga" in trail, "and it is in the audit trail")
    check(world.vera("case", "refuse", case, "--reason", "no signature of a judge", json_wanted=True)["state"] == "refused", "a case is refused with a reason")
    check(world.wim("case", "approve", case).returncode == 1, "and not approved any more")
    wrong = world.scratch / "wrong.passphrase"
    wrong.write_text("something else entirely\n")
    case = opened(world.vera, reference="third")
    done = subprocess.run([world.program, "--home", world.vera.home, "--yes", "--passphrase-file", wrong, "case", "approve", case], capture_output=True, text=True)
    check(done.returncode == 1 and "passphrase" in done.stderr, f"without the passphrase nobody signs: {done.stderr}")


def kept(check, world):
    """A preservation is sealed at once and opened by an order alone"""
    case = opened(world.vera, "preservation", reference="keep")
    check(world.vera("case", "approve", case).returncode == 0 and world.wim("case", "approve", case).returncode == 0, "two approve it")
    check(world.vera("case", "show", case, json_wanted=True)["state"] == "preserved", "preserved")
    done = world.vera("produce", case, "--folder", world.scratch / "kept")
    check(done.returncode == 1, f"it is not handed out: {done.stderr}")
    shown = world.vera("case", "show", case, json_wanted=True)["facts"]
    order = opened(world.wim, reference="the order", **{"from": shown["from"], "to": shown["to"], "opens": case})
    check(world.vera("case", "approve", order).returncode == 0 and world.wim("case", "approve", order).returncode == 0, "an order names it")
    done = world.vera("produce", case, "--folder", world.scratch / "kept")
    check(done.returncode == 0, f"now it is handed out: {done.stdout} {done.stderr}")


if __name__ == "__main__":
    run_cases("records", {"whole": whole, "refused": refused, "kept": kept}, lambda programs, scratch: [World(programs, scratch)])
