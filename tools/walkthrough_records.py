"""The steps of ./run with lookups and a legal request (docs/lookups.md, docs/records.md)."""
import csv
import datetime
import json
import os
import shutil
import ssl
import subprocess
import time
import urllib.request

from walkthrough import BOLD, DIM, OFF, say

PASSPHRASE = "a long passphrase of mine"


class Officer:
    """A records officer, with a token, a key and a home of their own. `program` is opaline-records, `daemon` opalined."""

    def __init__(self, program, daemon, server, directory, name):
        self.program, self.name, self.home = program, name, directory / f"officer-{name}"
        made = subprocess.run([daemon, "--dev", server.directory, "admin", "--json", "operator", "create", name, "--role", "officer"], capture_output=True, text=True, check=True)
        self.token, self.passphrase = directory / f"{name}.token", directory / f"{name}.passphrase"
        self.token.write_text(json.loads(made.stdout)["token"] + "\n")
        self.passphrase.write_text(PASSPHRASE + "\n")

    def __call__(self, *words, json_wanted=False, show=False, fault=None):
        """Runs a command; with `json_wanted` what it answers, if it ended well. It dies at the point `fault`, if it comes there."""
        if show:
            say(f"   {DIM}{self.name.capitalize()} types:{OFF} opaline-records " + " ".join(f'"{word}"' if " " in str(word) else str(word) for word in words))
        done = subprocess.run([self.program, "--home", self.home, "--yes", "--passphrase-file", self.passphrase, *(["--json"] if json_wanted else []), *map(str, words)],
                              capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120, env={**os.environ, **({"OPALINE_FAULT": fault} if fault else {})})
        return json.loads(done.stdout) if json_wanted and done.returncode == 0 else done

    def connect(self, server, show=False):
        """To the port that the server has now."""
        self.must("connect", f"http://127.0.0.1:{server.ports['operator']}", "--ca", server.directory / "ca.pem", "--token-file", self.token, show=show)

    def begin(self, server, show=False):
        self.connect(server, show)
        self.must("key", "create", show=show)
        return self

    def must(self, *words, show):
        done = self(*words, show=show)
        if done.returncode != 0:
            raise RuntimeError(f"{words[0]}: {done.stderr}")


def fingerprint(server):
    """The key of the service's ledger, as it publishes it."""
    tls = ssl.create_default_context(cafile=server.directory / "ca.pem")
    with urllib.request.urlopen(f"{server.url}/v1/ledger/heads", context=tls, timeout=10) as answer:
        return json.load(answer)["fingerprint"]


def request(instrument="court_order", **changes):
    """The words of `case open` for a request of this minute about Anna's last five days."""
    now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    fields = {"authority": "District Court 5", "instrument": instrument, "reference": "12 Cs 3/26", "jurisdiction": "DE", "handle": "anna@example.org",
              "from": (now - datetime.timedelta(days=5)).strftime("%Y-%m-%dT%H:%M:%SZ"), "to": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
              "served": now.strftime("%Y-%m-%d"), "due": (now + datetime.timedelta(days=14)).strftime("%Y-%m-%d"), **changes}
    return [word for name, value in fields.items() for word in (f"--{name.replace('_', '-')}", value)]


def lookups(anna, ben, check):
    say(f"\n{BOLD}13. Who is here?{OFF} Asking the directory is what the service writes down: five fields, for 30 days at most. Nobody else hears of it.")
    stranger = "+4915199999999"
    code, lines = anna.run("lookup", ben.handle, stranger)
    found = {line["handle"]: line for line in lines if line["event"] == "lookup"}
    check(code == 0 and found[ben.handle]["reachable"] == "here" and found[ben.handle]["from"] == "cache", f"{ben.handle} is here: Anna has written to Ben, so nobody is asked")
    check(found[stranger]["reachable"] == "sms" and found[stranger]["from"] == "service", f"{stranger} is not: it could be reached by SMS, which is not encrypted")
    _, lines = anna.run("my-lookups")
    mine = [line for line in lines if line["event"] == "my_lookup"]
    check([line["looked_up_handle"] for line in mine] == [stranger, ben.handle, ben.handle],
          "the service has logged three lookups of hers, for all that she has written: this one, and one for Ben from each of her two devices")


def legal_request(daemon, server, directory, anna, check):
    say(f"\n{BOLD}15. A court asks.{OFF} Two officers sign for what leaves the log; the service seals it to them, and anybody can check it.")
    program = daemon.parent.parent / "opaline-records" / "opaline-records"
    say(f"   {DIM}The operator types:{OFF} opalined admin operator create vera --role officer {DIM}(and wim){OFF}")
    vera, wim = (Officer(program, daemon, server, directory, name) for name in ("vera", "wim"))
    vera.begin(server, show=True), wim.begin(server)
    time.sleep(1.1)  # a case asks for whole seconds that have passed
    case = vera("case", "open", *request(), json_wanted=True, show=True)["case"]
    for officer in (vera, wim):
        done = officer("case", "approve", case, show=True)
        check(done.returncode == 0, f"{officer.name.capitalize()} sees the request and the numbers of entries, and signs exactly that")
    folder = directory / "handed-over"
    done = wim("produce", case, "--folder", folder, show=True)
    rows = list(csv.DictReader((folder / "lookups.csv").open(newline=""))) if done.returncode == 0 else []
    check(sorted(row["direction"] for row in rows) == ["by", "by", "by", "of"], "the folder has the three lookups that Anna made, the one that Ben made of her, a statement of what they show and do not show (statement.html), and a signed manifest")
    key = fingerprint(server)
    say(f"   {DIM}Somebody else types:{OFF} opaline-records verify handed-over --service {key}")
    checked = [program, "--home", directory / "nobody", "verify", folder, "--service", key]
    check(subprocess.run(checked, capture_output=True).returncode == 0, "without the service, with the folder and its fingerprint alone: it is what it says")
    changed = directory / "changed"
    shutil.copytree(folder, changed)
    (changed / "lookups.csv").write_text((changed / "lookups.csv").read_text().replace("anna", "berta", 1))
    done = subprocess.run([*checked[:4], changed, *checked[5:]], capture_output=True)
    check(done.returncode == 1, "with one name changed: it must not be relied upon")
    words = "District Court 5 asked for your lookups of five days; we gave 4 entries."
    vera("case", "notify", case, "--words", words, show=True)
    _, lines = anna.run("notices")
    check([line["words"] for line in lines if line["event"] == "legal_notice"] == [words], f"Anna is told: {words}")
    done = vera("case", "close", case, "--reason", "handed over", json_wanted=True, show=True)
    check(done["state"] == "closed", "the case is closed; in 90 days what was taken out is destroyed. Its steps stay in the ledger, whose heads are public: " + f"{server.url}/v1/ledger")
