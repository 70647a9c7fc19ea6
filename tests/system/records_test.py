"""A legal request from its arrival to the folder that is handed over, with the real programs; and what must not work.

    python3 tests/system/records_test.py DIR_WITH_PROGRAMS
"""
import csv
import datetime
import json
import shutil
import subprocess
import time

from support import Server, opaline, people, run_cases
from walkthrough_records import Officer, fingerprint, request


class World:
    def __init__(self, programs, scratch):
        self.programs, self.scratch = programs, scratch
        self.program = programs.opaline.parent.parent / "opaline-records" / "opaline-records"
        self.start()
        (scratch / "homes").mkdir()
        self.anna, self.ben = people(programs, self.server, scratch / "homes", "Anna", "Ben")
        for text in ("one", "two"):
            opaline(self.anna, "send", "ben@example.org", text)
        opaline(self.anna, "send", "nobody@example.org", "not here")
        self.vera, self.wim = (Officer(self.program, programs.opalined, self.server, scratch, name).begin(self.server) for name in ("vera", "wim"))

    def start(self, **options):
        self.server = Server(self.programs.opalined, self.scratch / "server", True, **options)
        self.operators = f"http://127.0.0.1:{self.server.ports['operator']}"  # a development server: loopback, without TLS

    def admin(self, *words):
        done = subprocess.run([self.programs.opalined, "--dev", self.server.directory, "admin", "--json", *words], capture_output=True, text=True, check=True)
        return json.loads(done.stdout)


def opened(officer, instrument="court_order", **changes):
    return officer("case", "open", *request(instrument, **changes), json_wanted=True)["case"]


def whole(check, world):
    """A court order, from opening to verify on another machine"""
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
    stranger = [world.program, "--home", world.scratch / "nobody", "verify", elsewhere, "--service", fingerprint(world.server)]
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


def told(check, world):
    """The person hears of it when the officers say so, in their words, once on a device"""
    def notices(person, command):
        return [line for line in opaline(person, command).lines if line["event"] == "legal_notice"]
    case = opened(world.vera, reference="fourth")
    check(not notices(world.anna, "receive"), "nothing before")
    later = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
    check(world.vera("case", "notify", case, "--words", "Not yet.", "--not-before", later, json_wanted=True)["notice_at"] == later, "a notice with a delay")
    check(not notices(world.anna, "notices"), "is not shown before its time")
    check(world.vera("case", "notify", case, "--words", "Ask us.\u202esu ksA").returncode == 1, "a character that turns text around is refused")
    words = "A court asked for your lookups. Ask us: <b>legal@example.org</b>"
    check(world.vera("case", "notify", case, "--words", words).returncode == 0, "a notice at once")
    found = notices(world.anna, "notices")
    check([(line["handle"], line["words"]) for line in found] == [("anna@example.org", words)], f"Anna is told {found}")
    check(not notices(world.ben, "notices"), "Ben is not")
    check(world.vera("case", "notify", case, "--words", "More of it.").returncode == 0, "a second one")
    check(not notices(world.anna, "receive"), "receive asks once a day")
    check([line["words"] for line in notices(world.anna, "notices")] == ["More of it.", words], "the newest first")


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


def ended(check, world):
    """A pen register is ended before its time, and what it has becomes a production"""
    now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    text = lambda time: time.strftime("%Y-%m-%dT%H:%M:%SZ")  # noqa: E731
    case = opened(world.vera, "pen_register", **{"from": text(now), "to": text(now + datetime.timedelta(days=3)), "reference": "future"})
    early = world.vera("case", "end", case, "--reason", "too early")
    check(early.returncode == 1, f"what is not on cannot be ended: {early.stderr}")
    check(world.vera("case", "approve", case).returncode == 0 and world.wim("case", "approve", case).returncode == 0, "two approve it")
    check(world.vera("case", "show", case, json_wanted=True)["state"] == "collecting", "it collects")
    time.sleep(1.1)  # from the next whole second on
    opaline(world.anna, "send", "fresh@example.org", "somebody new")
    deadline = time.monotonic() + 30
    while world.server.metric("opaline_lookup_collection_entries_total") == 0 and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1.1)  # an end is a whole second, too
    shown = world.vera("case", "end", case, "--reason", "the order was lifted", json_wanted=True)
    check("ended" in shown, f"ended: {shown}")
    check(world.server.metric("opaline_lookup_collection_active") == 0, "nothing is collected any more")
    again = world.wim("case", "end", case, "--reason", "once more")
    check(again.returncode == 1, f"not twice: {again.stderr}")
    opaline(world.anna, "send", "later@example.org", "after the end")
    time.sleep(1.1)  # the end is the next whole second
    world.admin("confirm-clock")  # what is over is produced with the next expiry: at once
    deadline = time.monotonic() + 30
    while (state := world.vera("case", "show", case, json_wanted=True)["state"]) == "collecting" and time.monotonic() < deadline:
        time.sleep(0.05)
    check(state == "collected", f"it becomes a production: {state}")
    folder = world.scratch / "pen"
    made = world.wim("produce", case, "--folder", folder)
    check(made.returncode == 0, f"produced: {made.stdout} {made.stderr}")
    rows = list(csv.DictReader((folder / "lookups.csv").open(newline="")))
    check([row["looked_up_handle"] for row in rows] == ["fresh@example.org"], f"what came while it was on, and nothing after its end: {rows}")
    check(world.server.metric("opaline_lookup_collection_lost_total") == 0, "nothing was lost")


def report(check, world):
    """The transparency report of the half-year"""
    today = datetime.datetime.now(datetime.timezone.utc)
    period = f"{today.year}H{1 if today.month < 7 else 2}"
    opened(world.vera, "emergency", reference="=cmd|' /C calc'!A0", authority="<script>alert(1)</script>", jurisdiction="US-CA")
    notified = opened(world.vera, "subpoena", jurisdiction="US-NY")
    world.vera("case", "notify", notified, "--words", "later", "--not-before", "2030-01-01T00:00:00Z")
    folder = world.scratch / "report"
    made = world.vera("report", period, "--folder", folder)
    check(made.returncode == 0 and "not complete" in made.stdout, f"made, and not complete: {made.stdout} {made.stderr}")
    check(sorted(file.name for file in folder.iterdir()) == ["report.csv", "report.html"], "two files")
    rows = {(row["country"], row["category"]): row for row in csv.DictReader((folder / "report.csv").open(newline=""))}
    cases = world.vera("case", "list", json_wanted=True)["cases"]
    check(sum(int(row["requests"]) for row in rows.values()) == len(cases) >= 2, f"every case counts once: {len(cases)}")
    check(rows[("US", "emergency")]["open"] == "1" and rows[("US", "subpoena")]["notices_delayed"] == "1", f"by country and kind: {rows}")
    page = (folder / "report.html").read_text()
    told = [word for word in ("<script", "calc", "http:", "https:", "src=", "anna@", "vera", "12 Cs") if word in page]
    check("<svg" in page and not told, f"a plot, and no word of an officer, authority or person: {told}")
    check("Emergency requests" in page and "United States (US)" in page, "in words")
    check(world.wim("report", period, "--folder", world.scratch / "report-2").returncode == 0
          and (world.scratch / "report-2" / "report.csv").read_bytes() == (folder / "report.csv").read_bytes(), "the same again for another officer")
    check(world.vera("report", period, "--folder", folder).returncode == 1, "a folder that exists is not written over")
    for wrong in ("2026", "2026H3", "9998H1"):
        check(world.vera("report", wrong, "--folder", world.scratch / "never").returncode == 1, f"{wrong} is refused")
    world.server.stop()
    world.start(settings=["records.report_bands=true"])
    world.vera.connect(world.server)
    made = world.vera("report", period, "--folder", world.scratch / "bands")
    check(made.returncode == 0 and "bands" in made.stdout, f"in bands, if the service is set so: {made.stdout} {made.stderr}")
    rows = list(csv.DictReader((world.scratch / "bands" / "report.csv").open(newline="")))
    check(all(value in ("0", "1 to 9") or " to " in value for row in rows for name, value in row.items() if name not in ("period", "complete", "country", "category")), "no exact number but 0")


if __name__ == "__main__":
    run_cases("records", {"whole": whole, "refused": refused, "told": told, "kept": kept, "ended": ended, "report": report}, lambda programs, scratch: [World(programs, scratch)])
