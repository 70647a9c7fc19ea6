"""kill -9 while a legal request is worked on: afterwards there is a whole production that can be checked, or none and it is made again; case, ledger and folder agree.

    python3 tests/system/records_kill_test.py DIR_WITH_PROGRAMS [CASE ...]
"""
import datetime
import json
import time

from records_test import World, opened
from support import opaline, run_cases, wait_for

# What a step comes to, with how often it is to pass, and whether the step is done then.
EVENT = {"cases.before_event:1": False, "cases.after_event:1": True}
FIRST = {"cases.searched:1": False, "cases.searched:2": False, **EVENT}
SECOND = {**FIRST, "cases.sealed:1": False, "cases.after_piece:1": False, "cases.after_piece:2": False}
# Every write of rows, of the audit trail, too: the start has some of them, and a step ends before the last. Which is which is not told, so that either may be.
WRITES = {f"store.{when}_rows_sync:{count}": None for count in range(2, 9) for when in ("before", "after")}


def restarted(world, **options):
    world.start(**options)
    for officer in (world.vera, world.wim):  # not by a request, which would be one more to count
        file = officer.home / "service.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), "server": world.operators}))


def killed(check, world, fault, step):
    """Runs `step` against a server that dies at `fault`, and starts one that does not. False: it did not come there."""
    world.server.stop()
    try:
        restarted(world, environment={"OPALINE_FAULT": fault})
    except RuntimeError:  # at its start
        restarted(world)
        return False
    step()
    died = world.server.process.poll() is not None or not answers(world)
    world.server.process.kill()
    world.server.process.wait(timeout=20)
    restarted(world)
    if WRITES.get(fault, 1) is not None:
        check(died, f"{fault}: the server died there")
    return died


def answers(world):
    """Whether the server is still there: one that kills itself may take a moment."""
    try:
        world.server.metric("opaline_lookup_log_entries")
    except OSError:
        world.server.process.wait(timeout=20)
        return False
    return True


def sound(check, world, fault):
    done = world.vera("ledger", "verify")
    check(done.returncode == 0, f"{fault}: ledger and cases agree: {done.stdout} {done.stderr}")


def whole(check, world, fault, case):
    """Hands out and checks, by both officers."""
    for officer in (world.vera, world.wim):
        folder = world.scratch / f"{case}-{officer.name}"
        made = officer("produce", case, "--folder", folder)
        check(made.returncode == 0 and "is what it says" in made.stdout, f"{fault}: {officer.name} has a whole production: {made.stdout.splitlines()[-1:]} {made.stderr}")


def opening(check, world):
    """While a case is opened"""
    for fault, finished in {**EVENT, **WRITES}.items():
        before = len(world.vera("case", "list", json_wanted=True)["cases"])
        if killed(check, world, fault, lambda: world.vera("case", "open", *world.facts)):
            more = len(world.vera("case", "list", json_wanted=True)["cases"]) - before
            check(more in ((0, 1) if finished is None else (int(finished),)), f"{fault}: it is there, or it is not: {more}")
            sound(check, world, fault)


def approving(check, world):
    """While the first officer signs"""
    for fault, finished in FIRST.items():
        case = opened(world.vera)
        if killed(check, world, fault, lambda: world.vera("case", "approve", case)):
            signed = len(world.vera("case", "show", case, json_wanted=True)["approvals"])
            check(signed == int(finished), f"{fault}: signed, or not: {signed}")
            sound(check, world, fault)


def producing(check, world):
    """While the second signature extracts"""
    ends = {"open": 0, "produced": 0}
    for fault, finished in {**SECOND, **WRITES}.items():
        case = opened(world.vera)
        check(world.vera("case", "approve", case).returncode == 0, "one signature")
        if not killed(check, world, fault, lambda: world.wim("case", "approve", case)):
            continue
        shown = world.vera("case", "show", case, json_wanted=True)
        ends[shown["state"]] += 1
        check(finished is None or shown["state"] == ("produced" if finished else "open"), f"{fault}: {shown['state']}")
        if shown["state"] == "open":
            early = world.wim("produce", case, "--folder", world.scratch / "early")
            check(early.returncode == 1 and not (world.scratch / "early").exists() and not shown["productions"], f"{fault}: there is no production, nor half of one: {early.stderr}")
            again = world.wim("case", "approve", case)
            check(again.returncode == 0, f"{fault}: it is made again: {again.stderr}")
        whole(check, world, fault, case)
        sound(check, world, fault)
    check(ends["open"] > 6 and ends["produced"] > 1, f"both ends were seen: {ends}")


def collecting(check, world):
    """While the last day of a pen register becomes a production"""
    for number, fault in enumerate(("cases.sealed:1", "cases.after_piece:1", "cases.after_piece:2", "cases.before_event:1", "cases.after_event:1")):
        now = datetime.datetime.now(datetime.timezone.utc)
        case = opened(world.vera, "pen_register", **{"from": now.strftime("%Y-%m-%dT%H:%M:%SZ"), "to": (now + datetime.timedelta(days=2)).strftime("%Y-%m-%dT%H:%M:%SZ")})
        for officer in (world.vera, world.wim):
            officer("case", "approve", case)
        time.sleep(1.1)  # it begins with a whole second, and ends with one
        before = world.server.metric("opaline_lookup_collection_entries_total")
        opaline(world.anna, "send", f"new-{number}@example.org", "somebody new", url=world.server.url)
        wait_for("the entry", lambda: world.server.metric("opaline_lookup_collection_entries_total") > before)
        world.vera("case", "end", case, "--reason", "lifted")
        time.sleep(1.1)
        world.server.stop()
        try:
            restarted(world, environment={"OPALINE_FAULT": fault})  # what is over is produced at the start
            died = world.server.process.wait(timeout=20) == -9
        except RuntimeError:
            died = True
        check(died, f"{fault}: the server died there")
        restarted(world)
        wait_for("the production", lambda: world.vera("case", "show", case, json_wanted=True)["state"] == "collected")
        whole(check, world, fault, case)
        rows = (world.scratch / f"{case}-wim" / "lookups.csv").read_text().splitlines()[1:]
        check(len(rows) == 1 and f"new-{number}@example.org" in rows[0], f"{fault}: what was collected is in it, once: {rows}")
        sound(check, world, fault)


def handing_over(check, world):
    """While the officer's program writes the folder"""
    case = opened(world.vera)
    for officer in (world.vera, world.wim):
        officer("case", "approve", case)
    folder = world.scratch / "handed-over"
    for count in range(1, 5):
        died = world.vera("produce", case, "--folder", folder, fault=f"folder.after_file:{count}")
        check(died.returncode == -9 and not folder.exists(), f"killed after {count} files: there is no folder")
        part = world.scratch / ".handed-over.part"
        done = world.vera("verify", part)
        check(part.exists() and (done.returncode == 1) == (count < 4), f"what lies there is no production before it is whole: {done.stdout.splitlines()[-1:]}")
    made = world.vera("produce", case, "--folder", folder)
    check(made.returncode == 0 and "is what it says" in made.stdout and not part.exists(), f"the next attempt makes it whole: {made.stdout} {made.stderr}")
    check(world.vera("produce", case, "--folder", folder).returncode == 1, "and none is written over")


def world_of(programs, scratch):
    world = World(programs, scratch)
    opaline(world.anna, "send", "somebody@example.org", "three")
    world.facts = ["--authority", "District Court 5", "--instrument", "warrant", "--reference", "1", "--jurisdiction", "DE", "--handle", "anna@example.org",
                   "--from", "2026-11-01T00:00:00Z", "--to", "2026-11-02T00:00:00Z", "--served", "2026-11-20", "--due", "2026-12-20"]
    return [world]


if __name__ == "__main__":
    run_cases("records_kill", {"opening": opening, "approving": approving, "producing": producing, "collecting": collecting, "handing_over": handing_over}, world_of)
