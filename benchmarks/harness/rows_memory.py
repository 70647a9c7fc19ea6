"""Row idle: what one idle TLS connection costs on the server's side, the kernel included.

Connections are added in two steps, and the figure is the slope between them: what the process grows by (Rss of
smaps_rollup), and half of what the kernel's slabs grow by (both ends of a loopback connection are on this machine,
each a socket in an epoll set)."""
import pathlib
import re
import time

from harness.figures import Figure
from harness.processes import Mosquitto, Opalined, PortPrinter, held, run_lines
from harness.rows_relay import mqtt_load, register, relay_load


def rss_kib(pid):
    return int(re.search(r"^Rss:\s+(\d+)", pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE).group(1))


def kernel_kib():
    meminfo = pathlib.Path("/proc/meminfo").read_text()
    slab = int(re.search(r"^SUnreclaim:\s+(\d+)", meminfo, re.MULTILINE).group(1))
    # Socket inodes, and the directory entries that they come with, are counted as reclaimable.
    slab += int(re.search(r"^SReclaimable:\s+(\d+)", meminfo, re.MULTILINE).group(1))
    sockets = re.search(r"^TCP:.* mem (\d+)", pathlib.Path("/proc/net/sockstat").read_text(), re.MULTILINE)
    return slab + 4 * int(sockets.group(1))


def settled(pid, quiet_seconds=1.0, longest=20):
    """Memory once it has stopped changing."""
    end = time.monotonic() + longest
    last = (rss_kib(pid), kernel_kib())
    while True:
        time.sleep(quiet_seconds)
        now = (rss_kib(pid), kernel_kib())
        if abs(now[0] - last[0]) <= 64 and abs(now[1] - last[1]) <= 256 or time.monotonic() > end:
            return now
        last = now


def slope(pid, hold, first, more):
    """KiB per connection: (process, kernel)."""
    with held(hold(0, first)):
        before = settled(pid)
        with held(hold(first, more)):
            after = settled(pid)
    return (after[0] - before[0]) / more, (after[1] - before[1]) / 2 / more


def idle(bench):
    """Authenticated devices that say nothing, beside a bare OpenSSL server of the same version and Mosquitto."""
    first, more = (100, 500) if bench.quick else (500, 2000)
    ours, bare, broker = [], [], []
    for _ in range(bench.runs):
        with PortPrinter(bench.programs.load("tls_floor"), bench.data, bench.certificates) as server:
            bare.append(slope(server.pid, lambda skip, n: [
                bench.programs.load("tls_floor"), "hold", "--port", server.port, "--authority", server.authority, "--count", n],
                first, more))
        if not bench.peers:
            continue
        with Mosquitto(bench.programs, bench.data, bench.certificates) as server:
            broker.append(slope(server.pid, lambda skip, n: mqtt_load(
                bench, server, "idle", "--first", skip, "--count", n), first, more))
    with Opalined(bench.programs, bench.data / "idle") as server:
        register(bench, server, first + more)
    for _ in range(bench.runs):  # a fresh process each time: memory that was freed would hide what the next one takes
        with Opalined(bench.programs, bench.data / "idle", fresh=False) as server:
            ours.append(slope(server.pid, lambda skip, n: relay_load(
                bench, server, "idle", "--first", skip, "--count", n), first, more))

    def total(slopes):
        return [process + kernel for process, kernel in slopes]

    floor = sorted(total(bare))[len(bare) // 2]
    detail = {"connections": more, "opalined": ours, "bare": bare, "mosquitto": broker}
    yield Figure("idle", "one idle connection, server side, kernel included", "KiB", total(ours), "bare OpenSSL server",
                 total(bare), "1.2 x the bare server", 1.2 * floor, smaller_is_better=True, detail=detail)
    yield Figure("idle", "the same, beside the broker", "KiB", total(ours), "Mosquitto (OpenSSL 3.0)", total(broker),
                 "20 KiB if the floor allows", smaller_is_better=True)
    yield Figure("idle", "of it the process", "KiB", [s[0] for s in ours], "bare OpenSSL server", [s[0] for s in bare],
                 smaller_is_better=True)
