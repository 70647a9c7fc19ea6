"""Rows of the session room: speed of messages and set-up, through Google Benchmark."""
import json
import subprocess

from harness.figures import Figure
from harness.processes import Failed


def google_benchmark(program, runs, pattern, min_time):
    """name -> items per second or operations per second, one for each repetition."""
    done = subprocess.run([str(program), "--benchmark_format=json", f"--benchmark_repetitions={runs}",
                           f"--benchmark_filter={pattern}", f"--benchmark_min_time={min_time}"], capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"{program.name} failed: {done.stderr[-200:]}")
    rates = {}
    for each in json.loads(done.stdout)["benchmarks"]:
        if each["run_type"] == "iteration":
            scale = {"ns": 1e9, "us": 1e6, "ms": 1e3}[each["time_unit"]]
            rates.setdefault(each["run_name"], []).append(scale / each["real_time"])
    return rates


def _median(values):
    ordered = sorted(values)
    return ordered[len(ordered) // 2]


def session(bench):
    """Encrypt and decrypt 256 bytes between two devices, direction changing every 10 messages, and never."""
    min_time = 0.1 if bench.quick else 0.5
    ours = google_benchmark(bench.programs.build / "src/session/session_bench", bench.runs, "^pairs/", min_time)
    peers = {}
    if bench.peers:
        peers = google_benchmark(bench.programs.load("session_peers_bench"), bench.runs, ".", min_time)
    for turn, factor, what in ((10, 3, "direction changes every 10"), (0, 5, "one direction")):
        omemo, olm = peers.get(f"libomemo-c/turn:{turn}", []), peers.get(f"libolm/turn:{turn}", [])
        yield Figure("session", f"encrypt + decrypt of 256 B, {what}", "pairs/s", ours[f"pairs/turn:{turn}"], "libomemo-c",
                     omemo, f"{factor} x libomemo-c", factor * _median(omemo) if omemo else None, detail={"libolm": olm})
        if olm:
            yield Figure("session", f"the same, beside libolm, {what}", "pairs/s", ours[f"pairs/turn:{turn}"], "libolm", olm)


def fanout(bench):
    """One text to one's own devices and the recipient's, ten on each side, beside its encryptions alone."""
    min_time = 0.1 if bench.quick else 0.5
    rates = google_benchmark(bench.programs.build / "src/endpoint/endpoint_bench", bench.runs, ".", min_time)
    # 10 to the recipient; 9 copies and 9 words that it was sent to one's own others.
    yield Figure("fanout", "text to 10 devices, own 10: until all accepted", "texts/s", rates["fan_out/10"],
                 "28 encryptions alone", rates["encryptions/28"])
    yield Figure("fanout", "the same with one device each", "texts/s", rates["fan_out/1"], "1 encryption alone", rates["encryptions/1"])


def setup(bench):
    """Opening and accepting a session, beside the sum of the primitives that it is made of."""
    min_time = 0.1 if bench.quick else 0.5
    rates = google_benchmark(bench.programs.build / "src/session/session_bench", bench.runs,
                             "^(initiate|accept)", min_time)
    for name, what in (("initiate", "from a checked bundle to the first ciphertext"),
                       ("accept", "from the first ciphertext to its text")):
        cost = [1e6 / r for r in rates[name]]
        sum_of = [1e6 / r for r in rates[f"{name}_primitives"]]
        yield Figure("setup", what, "us", cost, "sum of its primitives", sum_of, "1.5 x the sum", 1.5 * _median(sum_of),
                     smaller_is_better=True)
