"""Full disks under a real server: people are told, nothing that was accepted is lost, and it goes on once there is room.

    python3 tests/system/outside/disk_test.py DIR_WITH_PROGRAMS [CASE ...]

Needs a small tmpfs: root mounts it, others get one in a mount namespace of their own (unshare -rm), where the whole
test then runs. Where neither is possible it says so and ends with 77.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))  # support
from support import WENT_OUT, Server, history, opaline, people, run_cases, settle, wait_for  # noqa: E402

SKIPPED = 77
RESERVE = 256 << 20  # docs/storage.md: with less than this free, appends answer `full`
DISK = RESERVE + (256 << 20)  # RocksDB lays hold of some in advance


class Disk:
    """A small file system at `directory`."""

    def __init__(self, directory, size):
        directory.mkdir()
        self.directory = directory
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", directory], check=True)

    def free(self):
        now = os.statvfs(self.directory)
        return now.f_bavail * now.f_frsize

    def fill(self, leave=0):
        """Leaves so many bytes free; 0 means to the last byte."""
        with open(self.directory / "ballast", "ab") as out:
            try:
                while (missing := self.free() - leave) > 0:
                    out.write(bytes(min(missing, 1 << 20)))
                    out.flush()
            except OSError:
                pass

    def make_room(self):
        (self.directory / "ballast").unlink()

    def away(self):
        subprocess.run(["umount", "-l", self.directory], check=False)


def node(programs, scratch, name, data=None, vault=None):
    """A stopped development server whose data or vault is a link to a small disk, and how to start it."""
    directory = scratch / name
    (directory / "server").mkdir(parents=True, mode=0o700)
    server = Server(programs.opalined, directory / "server", True)
    server.stop()
    config = directory / "server" / "opalined.toml"
    text = config.read_text()
    for key, disk in (("data", data), ("vault", vault)):
        shutil.rmtree(directory / "server" / key)
        if disk is not None:
            text = text.replace(f'{key} = "{key}"', f'{key} = "{disk.directory / key}"')
    config.write_text(text)
    return directory


def metric(server, name):
    with urllib.request.urlopen(f"http://127.0.0.1:{server.ports['metrics']}/metrics", timeout=10) as answer:
        return sum(int(float(line.rsplit(" ", 1)[1])) for line in answer.read().decode().splitlines() if line.startswith(name))


def healthy(server):
    with urllib.request.urlopen(f"http://127.0.0.1:{server.ports['metrics']}/healthz", timeout=10) as answer:
        return server.process.poll() is None and answer.status == 200


def conversation(check, disk, server, anna, ben, filled, what):
    """Writes before, during and after a full disk."""
    promised = [f"before {i}" for i in range(3)]
    for text in ("they know each other", *promised):
        opaline(anna, "send", ben.handle, text)
        if text not in promised:
            opaline(ben, "receive")
    filled()
    told = []
    for number in range(4):
        done = opaline(anna, "send", ben.handle, f"during {number}", "--wait", "2")
        told.append(done)
        if done.state in WENT_OUT:
            promised.append(f"during {number}")
    refused = [done for done in told if done.state not in WENT_OUT]
    check(refused and all(done.code == 3 and done.state == "queued" for done in refused), f"{what}: of 4 messages {len(refused)} are kept by the sender, who is told: {refused[0].lines[-1].get('reason') if refused else told}")
    check(healthy(server), f"{what}: the server is alive")
    check(metric(server, "opaline_relay_store_trouble_total") > 0 and (metric(server, 'opaline_store_refused_total{why="disk_full"}') + metric(server, "opaline_store_failures_total") > 0), f"{what}: its metrics say it")
    got = opaline(ben, "receive", "--wait", "3")
    check(got.texts[: len(promised)] == promised, f"{what}: what was accepted is delivered all the same: {got.texts}")
    disk.make_room()
    settle((anna,), (ben,))
    wait_for("Anna's messages to go out", lambda: (opaline(anna, "receive"), not history(anna, "out", ("queued",)))[1], 90)
    opaline(anna, "send", ben.handle, "after")
    settle((anna,), (ben,))
    wrote = history(anna, "out")
    check(history(ben, "in") == wrote and len(wrote) == 9, f"{what}: with room again all {len(wrote)} arrive without a restart, in order and once")


def data_disk(check, programs, scratch):
    """The disk of the data fills up: below the reserve first, then to the last byte."""
    for what, leave in (("below the reserve", RESERVE - (8 << 20)), ("to the last byte", 0)):
        disk = Disk(scratch / f"disk-{leave}", DISK)
        try:
            directory = node(programs, scratch, f"data-{leave}", data=disk)
            server = Server(programs.opalined, directory / "server", True)
            anna, ben = people(programs, server, directory, "Anna", "Ben")
            conversation(check, disk, server, anna, ben, lambda: disk.fill(leave), what)
            check(server.stop() == 0, f"{what}: the server shuts down cleanly")
        finally:
            disk.away()


def vault_disk(check, programs, scratch):
    """The vault's disk is full when the key of a day is needed: nothing is accepted, and it goes on once there is room."""
    disk = Disk(scratch / "vault-disk", 1 << 20)
    try:
        directory = node(programs, scratch, "vault", vault=disk)
        server = Server(programs.opalined, directory / "server", True)
        anna, ben = people(programs, server, directory, "Anna", "Ben")
        disk.fill()
        done = opaline(anna, "send", ben.handle, "no key for today", "--wait", "2")
        check(done.code == 3 and done.state == "queued", f"without a key for the day the message is kept by its sender: {done.lines[-1].get('reason')}")
        check(healthy(server), "the server is alive")
        log = pathlib.Path(server.log.name).read_text()
        check('"event":"store.no_day_key"' in log, "and its log says what it lacks")
        disk.make_room()
        wait_for("Anna's message to go out", lambda: (opaline(anna, "receive"), not history(anna, "out", ("queued",)))[1], 90)
        check(opaline(ben, "receive").texts == ["no key for today"], "with room again it goes out without a restart")
        check(server.stop() == 0, "the server shuts down cleanly")
    finally:
        disk.away()


def at_start(check, programs, scratch):
    """A full disk when the server starts: it says so, or serves what it has; with room it starts and has everything."""
    for what, size, waiting in (("a first start", 300 << 10, False), ("a later start", DISK, True)):
        disk = Disk(scratch / f"start-{waiting}", size)
        try:
            directory = node(programs, scratch, f"start-node-{waiting}", data=disk, vault=disk)
            anna = ben = None
            if waiting:
                server = Server(programs.opalined, directory / "server", True)
                anna, ben = people(programs, server, directory, "Anna", "Ben")
                for number in range(3):
                    opaline(anna, "send", ben.handle, f"waits {number}")
                server.process.kill()
                server.process.wait()
            disk.fill()
            try:
                server = Server(programs.opalined, directory / "server", True)
                check(healthy(server), f"{what} on a full disk: it serves")
                if waiting:
                    done = opaline(anna, "send", ben.handle, "on a full disk", "--wait", "2")
                    check(done.code == 3, f"{what}: a message is kept by its sender: {done.state}")
                server.stop()
            except RuntimeError:
                said = (directory / "server.log").read_text().strip().splitlines()[-1]
                check(("full" in said or "No space left" in said) and str(disk.directory) in said, f"{what} on a full disk: {said}")
            disk.make_room()
            if not waiting:
                subprocess.run(["mount", "-o", f"remount,size={DISK}", disk.directory], check=True)
            server = Server(programs.opalined, directory / "server", True)
            if waiting:
                anna.server = ben.server = server
            else:
                anna, ben = people(programs, server, directory, "Anna", "Ben")
            opaline(anna, "send", ben.handle, "with room")
            settle((anna,), (ben,))
            wrote = history(anna, "out")
            check(history(ben, "in") == wrote, f"{what}, with room again: all {len(wrote)} messages are there")
            check(server.stop() == 0, f"{what}: the server shuts down cleanly")
        finally:
            disk.away()


CASES = {"data": data_disk, "vault": vault_disk, "start": at_start}


def can_mount():
    with tempfile.TemporaryDirectory() as place:
        if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], capture_output=True).returncode != 0:
            return False
        return subprocess.run(["umount", place], capture_output=True).returncode == 0


def main():
    if not can_mount():
        inside = os.environ.get("OPALINE_IN_NAMESPACE")
        if not inside and subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode == 0:
            os.execvpe("unshare", ["unshare", "-rm", sys.executable, *sys.argv], {**os.environ, "OPALINE_IN_NAMESPACE": "1"})
        print("skipped: neither root nor allowed to make a mount namespace, so there is no small disk to fill")
        sys.exit(SKIPPED)
    run_cases("disk", CASES, lambda programs, scratch: (programs, scratch))


if __name__ == "__main__":
    main()
