"""Rows of the directory: who is here, with and without the lookup log."""
from harness.figures import Figure
from harness.processes import Opalined, run_lines
from harness.rows_relay import cpu, register, relay_load

DEVICES = 8


def lookups(bench):
    """Devices ask for strangers, one handle a request and a hundred, with the lookup log (30 days) and without (0)."""
    with Opalined(bench.programs, bench.data / "logged") as logged, \
            Opalined(bench.programs, bench.data / "unlogged", settings={"lookups.log_days": 0}) as unlogged:
        for server in (logged, unlogged):
            register(bench, server, DEVICES)
        for in_flight, handles in ((64, 1), (16, 100), (1, 1)):
            arguments = ["--pairs", DEVICES, "--in-flight", in_flight, "lookups", "--handles", handles,
                         "--warmup", bench.warmup, "--seconds", bench.seconds]
            on, off = [], []
            for _ in range(bench.runs):
                on += run_lines(relay_load(bench, logged, *arguments))
                off += run_lines(relay_load(bench, unlogged, *arguments))
            yield from _figures(f"lookups {in_flight} x {handles}", on, off, handles, in_flight == 1)


def _figures(row, on, off, handles, alone):
    if not alone:
        yield Figure(row, "handles looked up, logged", "1/s", [handles * r["accepted_per_second"] for r in on], "log_days = 0",
                     [handles * r["accepted_per_second"] for r in off], detail={"runs": on, "peer_runs": off})
        yield Figure(row, "processor of the server", "cores", [cpu(r)["server_cpu"] for r in on], "log_days = 0",
                     [cpu(r)["server_cpu"] for r in off], smaller_is_better=True)
        yield Figure(row, "processor of the generator", "cores", [r["generator_cpu"] for r in on], "log_days = 0",
                     [r["generator_cpu"] for r in off], smaller_is_better=True)
    for quantile in ("p50", "p99"):
        yield Figure(row, f"request to answer, {quantile}", "us", [r["to_accepted_us"][quantile] for r in on], "log_days = 0",
                     [r["to_accepted_us"][quantile] for r in off], smaller_is_better=True,
                     detail={"runs": on, "peer_runs": off} if alone else {})
