"""A production out of a log with many entries: it is right, and nobody else waits for it. Prints what it took; judges what was found, and that requests were answered meanwhile.

    [OPALINE_LOOKUPS=10000000] python3 tests/system/records_scale_test.py DIR_WITH_PROGRAMS FILL_LOOKUP_LOG
"""
import csv
import http.client
import json
import os
import subprocess
import sys
import threading
import time

from records_test import World, opened
from support import run_cases

FILL = sys.argv.pop(2)
ENTRIES = int(os.environ.get("OPALINE_LOOKUPS", "60000"))
TARGET = "target@example.org"


class Prober:
    """Asks the control thread for something small, over and over; how long the slowest answer took."""

    def __init__(self, world, token):
        self.world, self.token, self.times, self.ending = world, token, [], False
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.world.server.ports["operator"], timeout=120)
        while not self.ending:
            begun = time.monotonic()
            connection.request("GET", "/v1/admin/operators", headers={"Authorization": f"Bearer {self.token}"})
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise RuntimeError(f"the probe was answered {answer.status}")
            self.times.append(time.monotonic() - begun)
            time.sleep(0.001)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ending = True
        self.thread.join()

    def slowest(self):
        return f"{len(self.times)} other requests meanwhile, the slowest {max(self.times) * 1000:.0f} ms, the median {sorted(self.times)[len(self.times) // 2] * 1000:.1f} ms"


def production(check, world):
    """Both officers sign for one handle's entries among all"""
    token = world.admin("operator", "create", "olga", "--role", "owner")["token"]
    world.server.stop()
    begun = time.monotonic()
    filled = subprocess.run([FILL, world.server.directory, str(ENTRIES), TARGET], capture_output=True, text=True)
    check(filled.returncode == 0, f"{ENTRIES} entries written in {time.monotonic() - begun:.1f} s: {filled.stdout} {filled.stderr}")
    wanted = json.loads(filled.stdout)
    world.start()
    world.vera.connect(world.server)
    world.wim.connect(world.server)
    case = opened(world.vera, handle=TARGET, **{"from": "2026-01-01T00:00:00Z"})
    for officer, what in ((world.vera, "the first signs (two searches)"), (world.wim, "the second signs (two searches, extract)")):
        with Prober(world, token) as prober:
            begun = time.monotonic()
            done = officer("case", "approve", case)
            took = time.monotonic() - begun
        check(done.returncode == 0, f"{what}: {took:.1f} s, with the officer's key file; {prober.slowest()} {done.stderr}")
    shown = world.vera("case", "show", case, json_wanted=True)
    check(shown["state"] == "produced" and shown["productions"][0]["rows"] == wanted["by"] + wanted["of"], f"{shown['productions'][0]['rows']} entries in {shown['productions'][0]['pieces']} pieces")
    folder = world.scratch / "large"
    with Prober(world, token) as prober:
        begun = time.monotonic()
        made = world.wim("produce", case, "--folder", folder)
        took = time.monotonic() - begun
    check(made.returncode == 0 and "is what it says" in made.stdout, f"fetched, opened, written, checked: {took:.1f} s; {prober.slowest()} {made.stderr}")
    with (folder / "lookups.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    check([sum(row["direction"] == side for row in rows) for side in ("by", "of")] == [wanted["by"], wanted["of"]], "every entry once, on its side")
    size = sum(file.stat().st_size for file in folder.iterdir())
    print(f"     the folder has {size / 1e6:.1f} MB")


if __name__ == "__main__":
    run_cases("records_scale", {"production": production}, lambda programs, scratch: [World(programs, scratch)])
