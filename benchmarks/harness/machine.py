"""Under which conditions the figures were taken."""
import datetime
import os
import pathlib
import platform
import re
import statistics
import subprocess
import time


def _first_match(path, pattern):
    try:
        found = re.search(pattern, pathlib.Path(path).read_text(), re.MULTILINE)
    except OSError:
        return None
    return found.group(1).strip() if found else None


def _output(*command):
    try:
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=20)
    except OSError:
        return None
    return (done.stdout + done.stderr).strip() or None


def fsync_microseconds(directory, writes=200):
    """A lone 512-byte append and fdatasync: median. What group commit is measured against."""
    path = pathlib.Path(directory) / "fsync.probe"
    times = []
    with open(path, "wb", buffering=0) as file:
        for _ in range(writes):
            file.write(b"x" * 512)
            start = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - start)
    path.unlink()
    return round(statistics.median(times) * 1e6, 1)


def file_system(directory):
    found = _output("stat", "-f", "-c", "%T", directory)
    device = _output("df", "--output=source", directory)
    return f"{found} on {device.splitlines()[-1]}" if found and device else None


def conditions(programs, data):
    governor = pathlib.Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    memory = _first_match("/proc/meminfo", r"^MemTotal:\s+(\d+)")
    system_openssl = _output("dpkg-query", "-W", "-f=${Version}", "libssl3")
    mosquitto = _output(programs.mosquitto, "-h") if programs.mosquitto.exists() else None
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%MZ"),
        "commit": _output("git", "rev-parse", "--short=12", "HEAD"),
        "cpu": _first_match("/proc/cpuinfo", r"^model name\s*:\s*(.+)$") or platform.processor(),
        "cores": os.cpu_count(),
        "hypervisor": "yes" if "hypervisor" in (_first_match("/proc/cpuinfo", r"^flags\s*:\s*(.+)$") or "") else "no",
        "governor": governor.read_text().strip() if governor.exists() else "not visible (virtual machine)",
        "memory_mib": int(memory) // 1024 if memory else None,
        "kernel": platform.release(),
        "tcp_congestion_control": pathlib.Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip(),
        "system": _first_match("/etc/os-release", r'^PRETTY_NAME="?([^"\n]+)'),
        "opalined": _output(programs.opalined, "--version"),
        "mosquitto": f"{mosquitto.splitlines()[0]}, OpenSSL {system_openssl}" if mosquitto else None,
        "nginx": (_output(programs.nginx, "-v") or "").removeprefix("nginx version: ") or None if programs.nginx.exists() else None,
        "data_file_system": file_system(data),
        "fdatasync_us": fsync_microseconds(data),
        "load_average_before": os.getloadavg()[0],
        "generator": "on the same cores, loopback, one thread",
    }


def describe(c):
    lines = [
        f"machine    {c['cpu']}, {c['cores']} cores, {c['memory_mib']} MiB, governor: {c['governor']}",
        f"system     {c['system']}, Linux {c['kernel']}, TCP {c['tcp_congestion_control']}; data on {c['data_file_system']}, a lone fdatasync takes {c['fdatasync_us']} us",
        f"programs   {c['opalined']}; {c['mosquitto'] or 'no Mosquitto'}; {c['nginx'] or 'no nginx'}",
        f"taken      {c['date']} at commit {c['commit']}; generator {c['generator']}",
    ]
    if c["load_average_before"] > 0.5:
        lines.append(f"WARNING    load average {c['load_average_before']:.1f} before the first run: other programs were running; do not quote these figures")
    return "\n".join(lines)
