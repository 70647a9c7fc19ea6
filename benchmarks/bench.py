"""The rows of ./bench (see there, and docs/benchmarks.md)."""
import argparse
import contextlib
import json
import pathlib
import shutil
import subprocess
import sys
import time
import traceback

from harness import machine, rows_business, rows_files, rows_lookups, rows_memory, rows_relay, rows_session, rows_store
from harness.figures import table
from harness.processes import Failed, Programs, make_certificates

SOURCE = pathlib.Path(__file__).resolve().parent.parent
ROWS = {
    "online": rows_relay.online,
    "store": rows_relay.store,
    "lookups": rows_lookups.lookups,
    "idle": rows_memory.idle,
    "session": rows_session.session,
    "setup": rows_session.setup,
    "fanout": rows_session.fanout,
    "files": rows_files.files,
    "business": rows_business.business,
    "expiry": rows_store.expiry,
    "cold": rows_store.cold,
}
ALIASES = {"drain": "store", "echo": "online"}


class Bench:
    def __init__(self, options):
        self.quick, self.full, self.peers = options.quick, options.full, not options.no_peers
        self.runs = 3 if options.quick else 5
        self.warmup, self.seconds = (0.3, 1) if options.quick else (0.5, 3)
        deps = subprocess.run([SOURCE / "tools/setup", "--print-prefix"], capture_output=True, text=True, check=True)
        self.programs = Programs(options.build or SOURCE / "build/release", deps.stdout.strip())
        self.data = SOURCE / "build/bench-data"
        shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir(parents=True)
        self.certificates = make_certificates(self.programs, self.data / "certificates")

    def peer(self, kind, *arguments):
        """A peer's server, or nothing where no peers are wanted."""
        return kind(self.programs, *arguments) if self.peers else contextlib.nullcontext()


def parse_arguments():
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--build", type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("--check-arguments", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    for row in options.rows:
        if row not in ROWS and row not in ALIASES:
            parser.error(f"there is no row '{row}'; there are: {', '.join([*ROWS, *ALIASES])}")
    return options


def write_json(options, conditions, figures, failed):
    """After each row, so that a run that is cut short leaves what it has measured."""
    if options.json:
        document = {"conditions": conditions, "quick": options.quick, "full": options.full,
                    "figures": [f.as_json() for f in figures], "not_measured": failed}
        options.json.write_text(json.dumps(document, indent=1) + "\n")


def main():
    options = parse_arguments()
    if options.check_arguments:
        return 0
    if options.list:
        for name, measure in ROWS.items():
            print(f"{name:8} {measure.__doc__.splitlines()[0]}")
        return 0
    bench = Bench(options)
    conditions = machine.conditions(bench.programs, bench.data)
    print(machine.describe(conditions), flush=True)
    wanted = list(dict.fromkeys(ALIASES.get(row, row) for row in options.rows)) or list(ROWS)
    figures, failed = [], []
    for name in wanted:
        started = time.monotonic()
        print(f"\n{name}: {ROWS[name].__doc__.splitlines()[0]}", flush=True)
        try:
            fresh = list(ROWS[name](bench))
        except Exception as why:  # a row that breaks costs no figure of another
            print(f"   not measured: {why}", flush=True)
            if not isinstance(why, Failed):
                traceback.print_exc()
            failed.append({"row": name, "why": f"{type(why).__name__}: {why}"})
            continue
        figures += fresh
        write_json(options, conditions, figures, failed)
        print(table(fresh) + f"\n({time.monotonic() - started:.0f} s)", flush=True)
    if len(wanted) > 1 and figures:
        print("\n" + table(figures))
    write_json(options, conditions, figures, failed)  # with what was not measured, too
    if options.json:
        print(f"\nall runs: {options.json}")
    shutil.rmtree(bench.data, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
