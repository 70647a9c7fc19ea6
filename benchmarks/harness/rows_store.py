"""Rows of what is stored: expiry, and how long a start takes."""
import json
import os
import pathlib

from harness.figures import Figure
from harness.processes import Failed, Opalined, free_port, held, run_lines
from harness.rows_relay import register, relay_load


def expiry(bench):
    """Removing 1,000 expired envelopes with few and with many others stored; in the store alone."""
    many = 10_000_000 if bench.full else 1_000_000 if bench.quick else 3_000_000
    costs = {}
    for stored in (10_000, many):
        lines = run_lines([bench.programs.build / "benchmarks/expiry_bench", bench.data, stored, bench.runs])
        costs[stored] = [line["milliseconds"] for line in lines]
    few = costs[10_000]
    floor = sorted(few)[len(few) // 2]
    yield Figure("expiry", f"removing 1,000 expired with {many:,} stored", "ms", costs[many], "with 10,000 stored", few,
                 "the same", 1.5 * floor + 1, smaller_is_better=True)


def drop_pages(directory):
    """The kernel forgets what it has read of these files, so that a start reads from the disk."""
    for path in pathlib.Path(directory).rglob("*"):
        if path.is_file():
            fd = os.open(path, os.O_RDONLY)
            os.fdatasync(fd)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(fd)


def _start_to_accepted(bench, directory):
    """Seconds from the start of the process to the first accepted envelope."""
    drop_pages(directory)
    port = free_port(3)

    class Address:
        pid = 0
        authority = directory / "ca.pem"

    Address.port = port
    with held(relay_load(bench, Address, "first")) as client:
        with Opalined(bench.programs, directory, fresh=False, port=port, ready=False) as server:
            line = client.stdout.readline()
            if not line:
                server.alive()
                raise Failed("the first envelope was not accepted")
            line = json.loads(line)
            return (line["accepted_at_ns"] - server.started_at) / 1e9


def cold(bench):
    """From the start of the process to the first accepted envelope, with nothing stored and with much."""
    directory = bench.data / "cold"
    many = 10_000_000 if bench.full else 200_000 if bench.quick else 2_000_000
    pairs = 64
    with Opalined(bench.programs, directory) as server:
        register(bench, server, 2 * pairs)
    yield Figure("cold", "start to first accepted, empty", "s", [_start_to_accepted(bench, directory) for _ in range(bench.runs)],
                 design="1 s", reach=1, smaller_is_better=True)
    with Opalined(bench.programs, directory, fresh=False) as server:
        run_lines(relay_load(bench, server, "--pairs", pairs, "--in-flight", 4096, "offline", "--no-drain", "--messages", many))
    yield Figure("cold", f"start to first accepted, {many:,} envelopes", "s",
                 [_start_to_accepted(bench, directory) for _ in range(bench.runs)], design="3 s", reach=3, smaller_is_better=True)
