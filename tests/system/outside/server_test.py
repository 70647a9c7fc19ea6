"""The server and its people under bad treatment: kill -9 while many write, signals, second starts, hurried users.

    python3 tests/system/outside/server_test.py DIR_WITH_PROGRAMS [CASE ...]
"""
import concurrent.futures
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))  # support
from support import WENT_OUT, Following, Server, history, opaline, people, run_cases, settle, tls, wait_for  # noqa: E402

SEED = 20261122
WRITERS = ("Anna", "Carl", "Dora", "Emil")
# On the way of a message; the others have their tests in the store room and in kill_test.py.
FAULTS = ("store.before_day_key:1", "store.before_day_family:1", "store.before_wal_sync:6", "store.after_wal_sync:6", "store.after_answers:6",
          "store.before_removal:4", "store.before_rows_sync:2", "store.after_rows_sync:2", "vault.after_key_sync:1")
MESSAGES = 6  # of each writer to each of the two recipients


def start(programs, directory, fault=None):
    """The server, or None if the fault killed it while it started."""
    try:
        return Server(programs.opalined, directory / "server", True, {"OPALINE_FAULT": fault} if fault else None)
    except RuntimeError:
        if fault is None:
            raise
        return None


def crowd(check, programs, template, scratch, name, fault, kill_after):
    """Four people write at once to one who follows and one who is away; the server dies on the way."""
    directory = scratch / name.replace(":", ".")
    shutil.copytree(template[0], directory, ignore=shutil.ignore_patterns("*.sock", "ports.json"))
    everybody = [type(each)(each.name, each.handle, programs.opaline, None, directory) for each in template[1]]
    *writers, ben, greta = everybody
    server = start(programs, directory, fault)
    promised = {}
    follower = None
    if server is not None:
        for each in everybody:
            each.server = server
        follower = Following(ben)
        wait_for("Ben to be connected", lambda: server.process.poll() is not None or connections(server) >= 1)
        if kill_after is not None:
            threading.Timer(kill_after, server.process.kill).start()

        def write(writer):
            for number in range(MESSAGES):
                for reader in (ben, greta):
                    text = f"{writer.name} {number}"
                    done = opaline(writer, "send", reader.handle, text, "--wait", "2")
                    if done.state in WENT_OUT:
                        promised.setdefault((writer.name, reader.name), []).append(text)
                    if server.process.poll() is not None:
                        return

        def fetch():
            for _ in range(3):
                opaline(greta, "receive", "--wait", "2")
                if server.process.poll() is not None:
                    return

        with concurrent.futures.ThreadPoolExecutor() as pool:
            for done in [pool.submit(write, each) for each in writers] + [pool.submit(fetch)]:
                done.result()
    died = server is None or server.process.poll() == -signal.SIGKILL
    if follower is not None:
        follower.stop()
    if not died:
        server.stop()
    server = start(programs, directory)
    for each in everybody:
        each.server = server
    settle(writers, (ben, greta))
    problems = []
    received = {reader: opaline(reader, "history", "--limit", "1000").lines for reader in (ben, greta)}
    for writer in writers:
        for reader in (ben, greta):
            wrote = history(writer, "out", peer=reader.handle)
            got = [line["text"] for line in received[reader] if line.get("direction") == "in" and line["text"].startswith(writer.name)]
            lost = [text for text in promised.get((writer.name, reader.name), []) if text not in got]
            if lost:
                problems.append(f"{writer.name} to {reader.name}: `sent` and lost: {lost}")
            elif got != wrote:
                problems.append(f"{writer.name} to {reader.name}: {wrote} became {got}")
    names = {line["from"] for lines in received.values() for line in lines if line.get("direction") == "in"}
    if strange := names - {each.handle for each in writers}:
        problems.append(f"senders whose handle was never looked up: {strange}")
    if server.stop() != 0:
        problems.append("no clean shutdown afterwards")
    sent = sum(len(texts) for texts in promised.values())
    check(not problems, f"{name}: {'killed' if died else 'not reached'}, {sent} sent before" + "".join(f"; {each}" for each in problems))
    shutil.rmtree(directory)
    return died


def connections(server):
    try:
        return server.metric("opaline_device_connections_ready")
    except OSError:
        return 0


def crowd_template(programs, scratch):
    """Registered people who have never written to each other, so that the day's first message is among the killed ones."""
    directory = scratch / "template"
    directory.mkdir()
    server = Server(programs.opalined, directory / "server", True)
    everybody = people(programs, server, directory, *WRITERS, "Ben", "Greta")
    server.stop()
    return directory, everybody


def kills(check, programs, scratch):
    """kill -9 at named points and at any moment while four people write to two: nothing lost, doubled or reordered."""
    template = crowd_template(programs, scratch)
    rng = random.Random(SEED)
    died = [crowd(check, programs, template, scratch, fault, fault, None) for fault in FAULTS]
    check(all(died), f"the named points were reached: {sum(died)} of {len(died)}")
    for number in range(4):
        crowd(check, programs, template, scratch, f"any moment {number}", None, rng.uniform(0.05, 1.2))


class Node:
    """A server with people, in a directory of its own."""

    def __init__(self, programs, scratch, name, *names):
        self.directory = scratch / name
        self.directory.mkdir()
        self.server = Server(programs.opalined, self.directory / "server", True)
        self.people = people(programs, self.server, self.directory, *names)

    def log(self):
        return pathlib.Path(self.server.log.name).read_text()


def second_start(check, programs, scratch):
    """The same directory started twice: the second says who holds it, and the first goes on."""
    node = Node(programs, scratch, "twice", "Anna", "Ben")
    anna, ben = node.people
    for command in (["--dev", node.server.directory, "--port", "0"], ["--config", node.server.directory / "opalined.toml", "--set", "public.listen=127.0.0.1:0"]):
        second = subprocess.run([programs.opalined, *command], capture_output=True, text=True, timeout=60)
        said = second.stdout + second.stderr
        check(second.returncode == 1 and str(node.server.process.pid) in said and "data" in said, f"the second ends with {second.returncode}: {said.strip().splitlines()[-1]}")
    check(node.server.process.poll() is None and (node.server.directory / "ports.json").exists(), "the first is still there, and so is its file of ports")
    sent = opaline(anna, "send", ben.handle, "still here")
    check(sent.state == "sent" and opaline(ben, "receive").texts == ["still here"], "and serves")
    check(node.server.stop() == 0, "the server shuts down cleanly")


def hurried(check, programs, scratch):
    """Many commands on one home at once: each does its work or says why not, and nothing is doubled."""
    node = Node(programs, scratch, "hurried", "Anna", "Ben")
    anna, ben = node.people
    commands = [(anna, "send", ben.handle, f"hurry {number}") for number in range(8)] + [(anna, "receive"), (anna, "history"), (anna, "account"), (anna, "verify", ben.handle)]
    with concurrent.futures.ThreadPoolExecutor(len(commands)) as pool:
        outcomes = list(pool.map(lambda each: opaline(*each), commands))
    odd = [outcome for outcome in outcomes if not outcome.ended_well]
    check(not odd, f"{len(commands)} commands at once on one home: each ended with an answer {odd or ''}")
    refused = [outcome.said for outcome in outcomes if outcome.code == 1]
    check(all("another opaline process uses" in said for said in refused), f"{len(refused)} were told that another process uses the home {[] if not refused else refused[0]}")
    went_out = {arguments[3] for (_, *arguments), outcome in zip([(c[0], c[0], *c[1:]) for c in commands], outcomes) if arguments[1] == "send" and outcome.state in WENT_OUT}
    opaline(ben, "receive")
    got = history(ben, "in")
    check(sorted(got) == sorted(went_out) and len(set(got)) == len(got), f"Ben has the {len(got)} messages that were sent, each once")

    sees = Following(anna)
    wait_for("Anna to be connected", lambda: connections(node.server) >= 1)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda number: opaline(anna, "send", ben.handle, f"beside {number}"), range(8)))
    check(all(outcome.state in WENT_OUT for outcome in outcomes), f"8 `send` at once beside `receive --follow`: all went out {[o for o in outcomes if o.state not in WENT_OUT] or ''}")
    check(opaline(anna, "receive").code == 1, "a second `receive` beside it is refused")
    opaline(ben, "receive")
    check(sorted(history(ben, "in")[len(got):]) == sorted(f"beside {number}" for number in range(8)), "Ben has them, each once")
    check(sees.stop() == 0 and node.server.stop() == 0, "both end in good order")


def shutdown_under_load(check, programs, scratch):
    """SIGTERM while people write: it ends in time with 0, and nothing `sent` is lost."""
    node = Node(programs, scratch, "shutdown", *WRITERS, "Ben", "Greta")
    *writers, ben, greta = node.people
    follower = Following(ben)
    wait_for("Ben to be connected", lambda: connections(node.server) >= 1)
    promised = {}
    wrote = threading.Semaphore(0)

    def write(writer):
        number = 0
        while node.server.process.poll() is None and number < 200:
            for reader in (ben, greta):
                text = f"{writer.name} {number}"
                if opaline(writer, "send", reader.handle, text, "--wait", "2").state in WENT_OUT:
                    promised.setdefault(reader, []).append(text)
                    wrote.release()
            number += 1

    with concurrent.futures.ThreadPoolExecutor() as pool:
        running = [pool.submit(write, each) for each in writers]
        for _ in range(40):
            wrote.acquire(timeout=60)
        begun = time.monotonic()
        code = node.server.stop()
        check(code == 0, f"the server ended with {code} after {time.monotonic() - begun:.1f} s under load")
        for each in running:
            each.result()
    follower.stop()
    check('"clean":1' in node.log(), "and says that it was clean")
    node.server = start(programs, node.directory)
    for each in node.people:
        each.server = node.server
    settle(writers, (ben, greta))
    for reader in (ben, greta):
        got = history(reader, "in")
        lost = [text for text in promised[reader] if text not in got]
        ordered = all([t for t in got if t.startswith(w.name)] == history(w, "out", peer=reader.handle) for w in writers)
        check(not lost and ordered, f"{reader.name} has all of {len(promised[reader])} that were `sent`, and the rest, in order and once {lost or ''}")
    check(node.server.stop() == 0, "the server shuts down cleanly")


def reload(check, programs, scratch):
    """SIGHUP with a certificate or key that cannot be used keeps the old one and says so."""
    node = Node(programs, scratch, "reload", "Anna", "Ben")
    anna, ben = node.people
    files = {name: node.server.directory / name for name in ("server.pem", "server.key", "ca.key")}
    good = {name: path.read_bytes() for name, path in files.items()}

    def served():
        with tls(node.server) as connection:
            return connection.getpeercert(binary_form=True)

    before = served()
    breakages = (("an empty certificate", "server.pem", b""), ("garbage for a certificate", "server.pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
                 ("half a key", "server.key", good["server.key"][:100]), ("another key", "server.key", good["ca.key"]), ("no certificate", "server.pem", None))
    for number, (what, name, contents) in enumerate(breakages, 1):
        if contents is None:
            files[name].unlink()
        else:
            files[name].write_bytes(contents)
        node.server.process.send_signal(signal.SIGHUP)
        wait_for("the server to say that it could not", lambda: node.log().count('"event":"reload_failed"') == number)
        line = [line for line in node.log().splitlines() if '"event":"reload_failed"' in line][-1]
        check(served() == before and "public.certificate" in line, f"{what}: the old one is served; {line}")
        files[name].write_bytes(good[name])
    sent = opaline(anna, "send", ben.handle, "after reloads")
    check(sent.state == "sent", "and people are served")
    node.server.process.send_signal(signal.SIGHUP)
    wait_for("a good reload", lambda: '"event":"reloaded"' in node.log())
    check(served() == before, "with the good files back it is read again")
    check(node.server.stop() == 0, "the server shuts down cleanly")


CASES = {"kills": kills, "second_start": second_start, "hurried": hurried, "shutdown": shutdown_under_load, "reload": reload}


if __name__ == "__main__":
    run_cases("server", CASES, lambda programs, scratch: (programs, scratch))
