"""Files between real clients over a real server: every size, kill -9 of the client at each step, a cut network, two devices, hostile disks.

    python3 tests/system/files_test.py DIR_WITH_PROGRAMS [CASE ...] [--sanitized]
"""
import hashlib
import os
import pathlib
import re
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "outside"))
from chaos_proxy import ChaosProxy, Plan  # noqa: E402
from support import SOURCE, Following, Server, opaline, people, quietly, run_cases, wait_for  # noqa: E402
from walkthrough import Person, link  # noqa: E402

BEN = "ben@example.org"
MIB = 1 << 20
POINTS = re.findall(r'^\s+"(files\.\w+)",', (SOURCE / "src/base/fault_point.hpp").read_text(), re.MULTILINE)
FETCHING = ("after_wanted", "before_part", "after_part", "before_text_sync", "after_text_sync", "before_rename", "after_rename", "after_saved", "after_part_removed",
            "before_errand", "after_errand")
SANITIZED = "--sanitized" in sys.argv  # a sanitizer keeps freed memory for a while: how much a program holds says nothing


class World:
    """Anna and Ben, registered anew for each case, at one server."""

    def __init__(self, programs, scratch):
        self.programs, self.scratch, self.count = programs, scratch, 0

    def __iter__(self):
        return iter((self,))

    def pair(self, name):
        directory = self.scratch / name
        directory.mkdir()
        server = Server(self.programs.opalined, directory / "server", True)
        anna, ben = people(self.programs, server, directory, "Anna", "Ben")
        (directory / "in").mkdir()
        return directory, server, anna, ben


def file_of(directory, name, size):
    path = directory / name
    path.write_bytes(os.urandom(size))
    return path


def digest(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def saved(directory):
    """What lies there: names to digests; also what should not."""
    return {path.name: digest(path) for path in sorted(directory.iterdir())}


def spool(person):
    folder = person.home / "outgoing"
    return sorted(os.listdir(folder)) if folder.exists() else []


def kept(person):
    folder = person.home / "incoming"
    return sorted(os.listdir(folder)) if folder.exists() else []


def dies_at(person, point, *arguments, url=None):
    """Runs a command that is to be killed at a point; True if it was."""
    done = subprocess.run(person.command + ["--json", "--server", url or person.server.url, *map(str, arguments)], capture_output=True, text=True, timeout=120,
                          stdin=subprocess.DEVNULL, env={**os.environ, "OPALINE_FAULT": point})
    return done.returncode == -9


def messages(person, direction="in"):
    return [line for line in opaline(person, "history", "--limit", "1000").lines if line["event"] == "message" and line["direction"] == direction]


def uploads(person):
    return [line for line in opaline(person, "history").lines if line["event"] == "upload"]


def holds(server, count):
    """Whether the server comes to hold so many files; its metrics follow a moment later."""
    try:
        return wait_for("the server's files", lambda: server.metric("opaline_blobs") == count, 10)
    except TimeoutError:
        return False


def memory(command):
    """Peak resident memory of a command in bytes, and its exit code."""
    # By a small process of its own: what a process had before it became another program counts, too.
    wait = "import os, sys; pid = os.spawnvp(os.P_NOWAIT, sys.argv[1], sys.argv[1:]); _, s, u = os.wait4(pid, 0); print(u.ru_maxrss, os.waitstatus_to_exitcode(s), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-S", "-c", wait, *command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True)
    kib, code = done.stderr.split()[-2:]
    return int(kib) * 1024, int(code)


def sizes(check, world):
    """Files of every size, refused ones too, with flat memory"""
    directory, server, anna, ben = world.pair("sizes")
    for size in (1, MIB, MIB + 1, 4 * MIB + 3):
        path = file_of(directory, f"of {size}.bin", size)
        done = opaline(anna, "send", BEN, "--attach", str(path))
        got = opaline(ben, "receive", "--files", str(directory / "in"))
        check(done.code == 0 and got.code == 0 and saved(directory / "in").get(path.name) == digest(path), f"{size} bytes arrive as they were: {done.code} {got.code}")
    for name, size, word in (("empty", 0, "empty"), ("large", 104857601, "larger")):
        path = directory / name
        with open(path, "wb") as out:
            out.truncate(size)
        done = opaline(anna, "send", BEN, "--attach", str(path))
        check(done.code == 1 and done.lines[-1]["error"] == "bad_attachment" and word in done.said, f"{size} bytes are refused: {done.said}")
    for path, word in ((directory, "directory"), (directory / "nothing", "no such file"), ("/dev/null", "regular")):
        done = opaline(anna, "send", BEN, "--attach", str(path))
        check(done.code == 1 and word in done.said, f"refused: {done.said}")
    os.mkfifo(directory / "pipe")
    check(opaline(anna, "send", BEN, "--attach", str(directory / "pipe"), within=20).code == 1, "a named pipe is refused and not waited for")
    check(opaline(anna, "send", BEN, *["--attach", str(directory / "of 1.bin")] * 9).code == 1, "nine files are refused")
    check(spool(anna) == [] and uploads(anna) == [], "nothing is left of what was refused")
    large = file_of(directory, "100 MiB.bin", 104857600)
    text, _ = memory(anna.command + ["--server", server.url, "send", BEN, "how much memory?"])
    up, code = memory(anna.command + ["--server", server.url, "send", BEN, "--attach", str(large)])
    check(code == 0 and (SANITIZED or up < text + 24 * MIB), f"100 MiB up: {up / MIB:.0f} MiB of memory, a text takes {text / MIB:.0f}")
    opaline(ben, "receive")
    message = messages(ben)[-1]["id"]
    down, code = memory(ben.command + ["--server", server.url, "save", message, "--to", str(directory / "in")])
    check(code == 0 and (SANITIZED or down < text + 40 * MIB), f"100 MiB down: {down / MIB:.0f} MiB of memory")
    check(saved(directory / "in")[large.name] == digest(large), "100 MiB arrive as they were")
    check(holds(server, 0), "the server has deleted every file")
    check({oct(path.stat().st_mode & 0o777) for path in (directory / "in").iterdir()} == {"0o600"}, "files are saved with mode 0600")
    server.stop()


def names(check, world):
    """Names that would hide, overwrite, or look like something else"""
    directory, server, anna, ben = world.pair("names")
    into = directory / "in"
    (into / "report.pdf").write_text("mine")
    for name in ("report.pdf", ".bashrc", "-rf", "~root", "Grüße 🚢.txt", "x" * 196 + ".pdf"):
        path = file_of(directory, name, 100)
        check(opaline(anna, "send", BEN, "--attach", str(path)).code == 0, f"'{name[:20]}' is sent")
    for name in ("a\nb", "a\x1b[2J", "a\u202eb", "y" * 201, "back\\slash"):
        path = file_of(directory, name, 100)
        done = opaline(anna, "send", BEN, "--attach", str(path))
        check(done.code == 1 and "name" in done.said, f"{name[:12]!r} is refused")
    opaline(ben, "receive", "--files", str(into))
    here = sorted(saved(into))
    wanted = sorted(["report.pdf", "report (1).pdf", "_bashrc", "_rf", "_root", "Grüße 🚢.txt", "x" * 196 + ".pdf"])
    check(here == wanted, f"saved as {[name[:20] for name in here]}")
    check((into / "report.pdf").read_text() == "mine", "what was there is untouched")
    server.stop()


def kill_sender(check, world):
    """kill -9 of the sender at each step: sent once, never lost after it was accepted"""
    directory, server, anna, ben = world.pair("kill_sender")
    opaline(anna, "send", BEN, "first")
    opaline(ben, "receive")
    path = file_of(directory, "three.bin", 3 * MIB + 5)
    steps = [point for point in POINTS if point.split(".")[1] not in FETCHING]
    check(len(steps) >= 12, f"{len(steps)} points on the sender's way")
    for point in steps:
        for nth in (1, 3) if point.endswith("_piece") and "last" not in point else (1,):
            text = f"{point}:{nth}"
            died = dies_at(anna, text, "send", BEN, text, "--attach", path)
            accepted = len(uploads(anna)) + sum(line["text"] == text for line in messages(anna, "out"))
            after = point not in ("files.before_spool_sync", "files.after_spool")
            for _ in range(2):
                opaline(anna, "receive")
            got = opaline(ben, "receive", "--files", str(directory / "in"))
            mine = [line for line in messages(ben) if line["text"] == text]
            right = died and accepted == after and len(mine) == after and uploads(anna) == [] and spool(anna) == []
            check(right, f"{text}: {'killed' if died else 'NOT REACHED'}, accepted {accepted}, received {len(mine)} {got.said} {spool(anna)}")
    every = saved(directory / "in")
    check(set(every.values()) == {digest(path)} and len(every) == len(messages(ben)) - 1, f"{len(every)} files, each as it was")
    check(holds(server, 1), "the server has deleted every file, but for the one begun of whose place nobody was told: it is forgotten after a day")
    server.stop()


def kill_recipient(check, world):
    """kill -9 of the recipient at each step: saved once, checked, and released in the end"""
    directory, server, anna, ben = world.pair("kill_recipient")
    path = file_of(directory, "nine.bin", 9 * MIB + 7)
    steps = [point for point in POINTS if point.split(".")[1] in FETCHING]
    check(len(steps) == len(FETCHING), f"{len(steps)} points on the recipient's way")
    for point in steps:
        for nth in (1, 2) if point.endswith("_part") else (1,):
            for way in ("save", "receive"):
                into = directory / f"{point}.{nth}.{way}"
                into.mkdir()
                opaline(anna, "send", BEN, f"{point} {way}", "--attach", str(path))
                if way == "save":
                    opaline(ben, "receive")
                    arguments = ["save", messages(ben)[-1]["id"], "--to", into]
                else:
                    arguments = ["receive", "--files", into]
                died = dies_at(ben, f"{point}:{nth}", *arguments)
                shown = [name for name in os.listdir(into) if not name.startswith(".")]
                whole = all(digest(into / name) == digest(path) for name in shown)
                if way == "save" and point not in ("files.after_saved", "files.after_part_removed", "files.before_errand", "files.after_errand"):
                    again = opaline(ben, *map(str, arguments))
                else:
                    again = opaline(ben, "receive", "--files", str(into))
                opaline(ben, "receive")
                held = 0 if holds(server, 0) else server.metric("opaline_blobs")
                right = died and whole and saved(into) == {path.name: digest(path)} and held == 0 and kept(ben) == []
                check(right, f"{point}:{nth} {way}: {'killed' if died else 'NOT REACHED'}, then {sorted(saved(into))}, server holds {held}, home {kept(ben)} {again.said}")
    server.stop()


def network(check, world):
    """Cuts in both directions: each side goes on where it was"""
    directory, server, anna, ben = world.pair("network")
    path = file_of(directory, "twelve.bin", 12 * MIB)
    proxy = ChaosProxy(server.ports["public"])
    turns = [0]

    def plan():
        turns[0] += 1
        cut = (2 + turns[0] % 3) * MIB + 4321 * turns[0]
        return Plan(cut_up=cut, cut_down=cut, reset=turns[0] % 2 == 0)

    proxy.plan = plan
    before = proxy.connections
    sent = opaline(anna, "send", BEN, "through cuts", "--attach", str(path), url=proxy.url)
    up = proxy.connections - before
    check(sent.code == 0 and sent.state in ("sent", "delivered"), f"sent through {up} connections: {sent}")
    got = opaline(ben, "receive", "--files", str(directory / "in"), url=proxy.url)
    down = proxy.connections - before - up
    check(got.code == 0 and saved(directory / "in") == {path.name: digest(path)}, f"fetched through {down} connections: {got.said}")
    check(up > 4 and down > 4, "there were cuts in both directions")
    # The server goes away in the middle, for longer than anybody waits.
    proxy.plan = lambda: Plan(cut_up=3 * MIB)
    ended = dies_at(anna, "files.after_piece:2", "send", BEN, "later", "--attach", path)
    port = server.ports["public"]
    server.stop()
    off = opaline(anna, "receive", "--wait", "1", url=f"https://localhost:{port}")
    left = uploads(anna)
    check(ended and off.code == 1 and [(line["text"], line["state"]) for line in left] == [("later", "uploading")], f"without a server it is kept: {left}")
    server = anna.server = ben.server = Server(world.programs.opalined, directory / "server", True)
    opaline(anna, "receive")
    opaline(ben, "receive", "--files", str(directory / "in"))
    check("twelve (1).bin" in saved(directory / "in") and uploads(anna) == [], "with a server it goes on")
    proxy.close()
    server.stop()


def cancelled(check, world):
    """An upload that is given up is not sent, and leaves nothing behind"""
    directory, server, anna, ben = world.pair("cancelled")
    path = file_of(directory, "two.bin", 2 * MIB)
    for point in ("files.after_accepted", "files.after_piece", "files.before_queue"):
        dies_at(anna, point, "send", BEN, point, "--attach", path)
        upload = uploads(anna)[0]
        done = opaline(anna, "cancel", upload["id"][:8])
        opaline(anna, "receive")
        opaline(ben, "receive")
        here = (messages(ben), uploads(anna), spool(anna), holds(server, 0))
        check(done.code == 0 and here == ([], [], [], True), f"given up after {point}: {here} {done.said}")
    check(opaline(anna, "cancel", "00000000").code == 1, "what is not there cannot be given up")
    server.stop()


def beside(check, world):
    """`send --attach` and `save` beside `receive --follow` of the same home"""
    directory, server, anna, ben = world.pair("beside")
    path = file_of(directory, "five.bin", 5 * MIB)
    a, b = Following(anna), Following(ben)
    wait_for("the sockets", lambda: all((each.home / "opaline.sock").exists() for each in (anna, ben)))
    sent = opaline(anna, "send", BEN, "beside", "--attach", str(path))
    check(sent.code == 0 and sent.state in ("sent", "delivered", "read"), f"the process that follows sends it: {sent}")
    wait_for("the message", lambda: "beside" in b.texts)
    message = messages(ben)[-1]["id"]
    done = opaline(ben, "save", message, "--to", str(directory / "in"))
    check(done.code == 0 and saved(directory / "in") == {path.name: digest(path)}, f"saved beside it: {done.said}")
    check(opaline(anna, "send", "nobody@example.org", "--attach", str(path)).code == 1 and spool(anna) == [], "to nobody: refused, and nothing is left")
    check(opaline(anna, "send", "anna@example.org", "--attach", str(path)).lines[-1]["error"] == "to_self", "to oneself: refused")
    check(holds(server, 0), "the server has deleted it")
    check(a.stop() == 0 and b.stop() == 0, "both end in order")
    server.stop()


def devices(check, world):
    """Two devices save: the server keeps the file until the second has it"""
    directory, server, anna, ben = world.pair("devices")
    laptop = Person("Laptop", anna.handle, world.programs.opaline, server, directory)
    quietly(link, anna, laptop, lambda right, text: check(right, text))
    path = file_of(directory, "photo.jpg", MIB + 17)
    opaline(ben, "send", "anna@example.org", "the harbour", "--attach", str(path))
    for person, left in ((anna, 1), (laptop, 0)):
        into = directory / f"{person.name} files"
        into.mkdir()
        done = opaline(person, "receive", "--files", str(into))
        check(done.code == 0 and saved(into) == {path.name: digest(path)} and holds(server, left),
              f"{person.name} has it; the server holds {server.metric('opaline_blobs')} {done.said}")
    # What was written on one device can be saved on the other.
    opaline(anna, "send", BEN, "from my phone", "--attach", str(path))
    opaline(laptop, "receive")
    copy = [line for line in messages(laptop, "out") if line["text"] == "from my phone"]
    done = opaline(laptop, "save", copy[-1]["id"], "--to", str(directory / "in"))
    check(done.code == 0 and saved(directory / "in") == {path.name: digest(path)}, f"the laptop saves what the phone sent: {done.said}")
    opaline(ben, "receive", "--files", str(directory / "in"))
    check(holds(server, 0), "both recipients have it: deleted")
    gone = opaline(laptop, "save", copy[-1]["id"], "--to", str(directory / "in"))
    check(gone.code == 1 and gone.lines[-1]["error"] == "file_gone" and "30 days" in gone.said, f"later: {gone.said}")
    server.stop()


def changing(check, world):
    """A file that changes while it is read is not sent"""
    directory, server, anna, ben = world.pair("changing")
    path = file_of(directory, "moving.bin", 48 * MIB)
    stop = threading.Event()

    def change():
        with open(path, "r+b") as out:
            while not stop.is_set():
                out.seek(0)
                out.write(os.urandom(4096))
                out.flush()

    writer = threading.Thread(target=change)
    writer.start()
    done = opaline(anna, "send", BEN, "moving", "--attach", str(path))
    stop.set()
    writer.join()
    check(done.code == 1 and "changed while it was read" in done.said, f"refused: {done.said}")
    check(spool(anna) == [] and uploads(anna) == [], "nothing is left")
    server.stop()


def full_disk(check, world):
    """A home and a target without room: people are told, and it goes on once there is some"""
    directory, server, anna, ben = world.pair("full_disk")
    path = file_of(directory, "eight.bin", 8 * MIB)
    small = directory / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m,mode=0700", "tmpfs", small], capture_output=True).returncode != 0:
        print("   (nobody may mount a small disk here)")
        return server.stop()
    try:
        outgoing = anna.home / "outgoing"
        outgoing.mkdir(mode=0o700, exist_ok=True)
        subprocess.run(["mount", "--bind", small, outgoing], check=True)
        done = opaline(anna, "send", BEN, "too much", "--attach", str(path))
        check(done.code == 1 and done.lines[-1]["error"] == "store_full" and spool(anna) == [], f"the home is full: {done.said}")
        subprocess.run(["umount", outgoing], check=True)
        check(opaline(anna, "send", BEN, "fits", "--attach", str(path)).code == 0, "with room it is sent")
        done = opaline(ben, "receive", "--files", str(small))
        check(done.code == 1 and any(line.get("error") == "store_full" for line in done.lines) and os.listdir(small) == [], f"the target is full: {done.said}")
        subprocess.run(["mount", "-o", "remount,size=64m", small], check=True)
        done = opaline(ben, "receive", "--files", str(small))
        check(done.code == 0 and saved(small) == {path.name: digest(path)}, f"with room it is saved: {done.said}")
        check(holds(server, 0), "and deleted at the server")
    finally:
        subprocess.run(["umount", "-l", small], check=False, capture_output=True)
    server.stop()


CASES = {case.__name__: case for case in (sizes, names, kill_sender, kill_recipient, network, cancelled, beside, devices, changing, full_disk)}

if __name__ == "__main__":
    run_cases("files", CASES, lambda programs, scratch: World(programs, scratch))
