"""Rows that pass messages: online, offline store, drain, and the echo under them."""
from harness.figures import Figure
from harness.processes import Mosquitto, Opalined, PortPrinter, run_lines

PAIRS = 8


def relay_load(bench, server, *arguments):
    return [bench.programs.load("relay_load"), "--port", server.port, "--authority", server.authority,
            "--accounts", server.directory.with_suffix(".accounts"), "--server-pid", server.pid, *arguments]


def mqtt_load(bench, server, *arguments):
    return [bench.programs.load("mqtt_load"), "--port", server.port, "--authority", server.authority,
            "--server-pid", server.pid, *arguments]


def register(bench, server, count):
    run_lines(relay_load(bench, server, "register", "--outbox", server.directory / "outbox.jsonl", "--count", count))


def cpu(run):
    return {"server_cpu": round(run["server_cpu_user"] + run["server_cpu_system"], 3),
            "generator_cpu": run["generator_cpu"]}


def online(bench):
    """Both devices connected: push, acknowledge, accepted. 200, 16 and 1 in flight over 8 pairs."""
    with Opalined(bench.programs, bench.data / "online") as ours, bench.peer(Mosquitto, bench.data, bench.certificates) as broker, \
            PortPrinter(bench.programs.load("tls_echo"), bench.data, bench.certificates) as echo:
        register(bench, ours, 2 * PAIRS)
        for in_flight in (200, 16, 1):
            yield from _online(bench, ours, broker, echo, in_flight)


def _online(bench, ours, broker, echo, in_flight):
    common = ["--pairs", PAIRS, "--in-flight", in_flight]
    timing = ["--warmup", bench.warmup, "--seconds", bench.seconds]
    accepted, receipt, mqtt, mqtt_acked, echoed = [], [], [], [], []
    for _ in range(bench.runs):
        accepted += run_lines(relay_load(bench, ours, *common, "online", *timing))
        if in_flight != 1:
            receipt += run_lines(relay_load(bench, ours, *common, "online", *timing, "--freed-by", "receipt"))
        if broker:
            mqtt += run_lines(mqtt_load(bench, broker, *common, "online", *timing))
            if in_flight != 1:
                mqtt_acked += run_lines(mqtt_load(bench, broker, *common, "online", *timing, "--freed-by", "accepted"))
        echoed += run_lines([bench.programs.load("tls_echo"), "load", "--port", echo.port, "--authority", echo.authority,
                             "--server-pid", echo.pid, *common, *timing])
    row = f"online {in_flight}"
    if in_flight == 1:
        yield from _latency(row, accepted, mqtt, echoed)
        return
    received = [r["received_per_second"] for r in mqtt]
    detail = {"runs": accepted, "peer_runs": mqtt, "echo_runs": echoed}
    yield Figure(row, "messages, slot freed on accepted", "1/s", [r["accepted_per_second"] for r in accepted],
                 "Mosquitto on receipt", received, "4 x Mosquitto",
                 4 * _median(received) if received and in_flight == 200 else None, detail=detail)
    yield Figure(row, "messages, slot freed on receipt", "1/s", [r["received_per_second"] for r in receipt],
                 "Mosquitto on PUBACK", [r["accepted_per_second"] for r in mqtt_acked], detail={"runs": receipt})
    yield Figure(row, "send to accepted, p50", "us", [r["to_accepted_us"]["p50"] for r in accepted],
                 "Mosquitto to PUBACK", [r["to_accepted_us"]["p50"] for r in mqtt], smaller_is_better=True)
    yield Figure(row, "send to receipt, p99", "us", [r["to_receipt_us"]["p99"] for r in accepted],
                 "Mosquitto", [r["to_receipt_us"]["p99"] for r in mqtt], smaller_is_better=True)
    yield Figure(row, "processor of the server", "cores", [cpu(r)["server_cpu"] for r in accepted],
                 "Mosquitto", [cpu(r)["server_cpu"] for r in mqtt], smaller_is_better=True)
    yield Figure(row, "processor of the generator", "cores", [r["generator_cpu"] for r in accepted],
                 "on Mosquitto", [r["generator_cpu"] for r in mqtt], smaller_is_better=True)
    yield Figure(row, "a coalescing TLS echo, for scale", "1/s", [r["received_per_second"] for r in echoed],
                 detail={"runs": echoed})


def _latency(row, ours, mqtt, echoed):
    def of(runs, what, quantile):
        return [r[what][quantile] for r in runs]

    detail = {"runs": ours, "peer_runs": mqtt, "echo_runs": echoed}
    for quantile in ("p50", "p99"):
        peer = of(mqtt, "to_receipt_us", quantile)
        yield Figure(row, f"send to receipt, {quantile}", "us", of(ours, "to_receipt_us", quantile), "Mosquitto", peer,
                     "below Mosquitto's", _median(peer), smaller_is_better=True, detail=detail if quantile == "p50" else {})
    echo = of(echoed, "to_receipt_us", "p50")
    yield Figure(row, "send to accepted, p50", "us", of(ours, "to_accepted_us", "p50"), "TLS echo", echo,
                 "2.2 x the echo", 2.2 * _median(echo), smaller_is_better=True)
    yield Figure(row, "send to accepted, p99", "us", of(ours, "to_accepted_us", "p99"), "TLS echo",
                 of(echoed, "to_receipt_us", "p99"), smaller_is_better=True)


def _median(values):
    ordered = sorted(values)
    return ordered[len(ordered) // 2] if ordered else None


def store(bench):
    """Receivers away: each accepted envelope is on stable storage. Then they come back: drain."""
    messages = 200_000 if bench.quick else 800_000
    with Opalined(bench.programs, bench.data / "store") as ours, bench.peer(Mosquitto, bench.data, bench.certificates) as broker:
        register(bench, ours, 2 * PAIRS)
        mine, theirs = [], []
        for _ in range(bench.runs):
            mine += run_lines(relay_load(bench, ours, "--pairs", PAIRS, "--in-flight", 4096, "offline", "--messages", messages))
            if broker:
                theirs += run_lines(mqtt_load(bench, broker, "--pairs", PAIRS, "--in-flight", 4096, "offline", "--messages", messages))
    stored, drained = [[r for r in mine if r["run"] == kind] for kind in ("store", "drain")]
    their_stored, their_drained = [[r for r in theirs if r["run"] == kind] for kind in ("store", "drain")]
    peer = [r["accepted_per_second"] for r in their_stored]
    yield Figure("store", "envelopes for offline devices, synced before accepted", "1/s",
                 [r["accepted_per_second"] for r in stored], "Mosquitto, never synced", peer, "Mosquitto's unsynced rate",
                 _median(peer), detail={"runs": stored, "peer_runs": their_stored})
    yield Figure("store", "send to accepted, p50", "us", [r["to_accepted_us"]["p50"] for r in stored], "Mosquitto",
                 [r["to_accepted_us"]["p50"] for r in their_stored], smaller_is_better=True)
    yield Figure("store", "processor of the server", "cores", [cpu(r)["server_cpu"] for r in stored], "Mosquitto",
                 [cpu(r)["server_cpu"] for r in their_stored], smaller_is_better=True)
    peer = [r["per_second"] for r in their_drained]
    yield Figure("drain", "envelopes on reconnect", "1/s", [r["per_second"] for r in drained], "Mosquitto", peer,
                 "1.5 x Mosquitto", 1.5 * _median(peer) if peer else None, detail={"runs": drained, "peer_runs": their_drained})
    yield Figure("drain", "processor of the server", "cores", [cpu(r)["server_cpu"] for r in drained], "Mosquitto",
                 [cpu(r)["server_cpu"] for r in their_drained], smaller_is_better=True)
