"""Damaged files of a stopped server and of a client's home: either nothing was lost, or a refusal that names the file.

    python3 tests/system/outside/damage_test.py DIR_WITH_PROGRAMS [CASE ...]

Every file is flipped at three places, cut in half, shortened by a byte, emptied, removed and overwritten. A server that
starts all the same has to have every account and every waiting message; one that does not has to say why and what to do.
"""
import concurrent.futures
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))  # support
from support import Person, Server, history, opaline, people, run_cases  # noqa: E402

WAITING = [f"waits {number}" for number in range(6)]
ADVICE = ("put", "Put", "make", "no such file", "expected", "Error while parsing", "Encountered", "unreadable", "mismatch", "must be", "did you mean")


def flip(at):
    def damage(path):
        data = bytearray(path.read_bytes())
        if not data:
            return False
        data[min(len(data) - 1, int(len(data) * at))] ^= 0x41
        path.write_bytes(data)
        return True

    damage.__name__ = f"flipped at {at}"
    return damage


def halved(path):
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    return len(data) > 1


def shortened(path):
    data = path.read_bytes()
    path.write_bytes(data[:-1])
    return len(data) > 1


def emptied(path):
    data = path.read_bytes()
    path.write_bytes(b"")
    return bool(data)


def removed(path):
    path.unlink()
    return True


def overwritten(path):
    path.write_bytes(bytes(number * 7919 % 251 for number in range(300)))
    return True


DAMAGES = (flip(0), flip(0.5), flip(0.999), halved, shortened, emptied, removed, overwritten)


class Template:
    """A stopped server with two people; six messages wait, half of them in a table file and half in the log."""

    def __init__(self, programs, scratch):
        self.programs, self.scratch = programs, scratch
        self.directory = scratch / "template"
        self.directory.mkdir()
        self.server = Server(programs.opalined, self.directory / "server", True)
        anna, ben = people(programs, self.server, self.directory, "Anna", "Ben")
        opaline(anna, "send", ben.handle, "they know each other")
        opaline(ben, "receive")
        for number, text in enumerate(WAITING):
            if number == len(WAITING) // 2:
                self.server.stop()
                self.server = anna.server = ben.server = Server(programs.opalined, self.directory / "server", True)
            opaline(anna, "send", ben.handle, text)
        self.carl = people(programs, self.server, self.directory, "Carl")[0]
        self.server.stop()

    def copy(self, name):
        place = self.scratch / name
        shutil.copytree(self.directory, place, ignore=shutil.ignore_patterns("*.sock", "ports.json"))
        return place

    def person(self, name, place, server):
        return Person(name, f"{name.lower()}@example.org", self.programs.opaline, server, place)


def verdict(template, place, file):
    """(whether it is right, what was seen)"""
    try:
        server = Server(template.programs.opalined, place / "server", True)
    except RuntimeError:
        said = (place / "server.log").read_text().strip().splitlines()
        said = said[-1] if said else ""
        named = file.name in said or f"{file.parent.parent.name}/{file.parent.name}" in said
        return said.startswith("opalined: ") and named and any(word in said for word in ADVICE), f"refused: {said[:300]}"
    anna, ben, carl = (template.person(name, place, server) for name in ("Anna", "Ben", "Carl"))
    got = opaline(ben, "receive", "--wait", "3")
    if server.process.poll() is not None:
        return False, f"the server died: {server.process.poll()}"
    log = pathlib.Path(server.log.name).read_text()
    if got.texts != WAITING:
        server.stop()
        told = got.code != 0 and file.name in log  # nothing wrong is delivered, and the log names the file
        return told or "certificate" in got.said, f"Ben gets {got}; {[line for line in log.splitlines() if 'error' in line][:1]}"
    # All three are known still, and by their handles: Carl has never written to anybody.
    sent = [opaline(carl, "send", ben.handle, "is Ben there?"), opaline(anna, "send", carl.handle, "is Carl there?")]
    code = server.stop()
    right = all(each.state == "sent" for each in sent) and code == 0
    return right, "served" if right else f"served, but {sent}, exit code {code}"


def server_files(check, template):
    """Every file of a server that was shut down."""
    files = sorted(path.relative_to(template.directory / "server") for path in (template.directory / "server").rglob("*") if path.is_file())
    kept = {name: [file for file in files if file.name.startswith(name)] for name in ("OPTIONS", "LOCK", "IDENTITY", "outbox", "lock")}
    skipped = {file for group in kept.values() for file in group[1:]}  # one of each kind of those without contents of ours

    def attack(job):
        number, file, damage = job
        place = template.copy(f"damaged-{number}")
        try:
            if not damage(place / "server" / file):
                return None
            right, seen = verdict(template, place, place / "server" / file)
            return f"{file} {damage.__name__}", right, seen
        finally:
            shutil.rmtree(place, ignore_errors=True)

    jobs = [(number, file, damage) for number, (file, damage) in enumerate((file, damage) for file in files if file not in skipped for damage in DAMAGES)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        outcomes = [outcome for outcome in pool.map(attack, jobs) if outcome]
    for name, right, seen in outcomes:
        if not right:
            check(False, f"{name}: {seen}")
    served = sum(seen == "served" for _, right, seen in outcomes if right)
    check(all(right for _, right, _ in outcomes), f"{len(outcomes)} damages of {len(files) - len(skipped)} files: {served} times nothing was lost, {len(outcomes) - served} times it was said")
    check(served > 0 and len(outcomes) - served > 50, "the damages reach what matters")


def home_files(check, template):
    """Every file of a person's home."""
    place = template.copy("homes")
    server = Server(template.programs.opalined, place / "server", True)
    ben = template.person("Ben", place, server)
    opaline(ben, "receive")
    shutil.copytree(ben.home, place / "whole")
    right_number = opaline(ben, "verify", "anna@example.org").lines[-1]["safety_number"]
    right_texts = history(ben, "in")
    for file in sorted(path.name for path in ben.home.iterdir() if path.is_file()):
        for damage in (*DAMAGES, flip(0.1), flip(0.2), flip(0.7), flip(0.9)):
            shutil.rmtree(ben.home)
            shutil.copytree(place / "whole", ben.home)
            if not damage(ben.home / file):
                continue
            problems = []
            for arguments in (("history",), ("account",), ("verify", "anna@example.org"), ("send", "anna@example.org", "still Ben?", "--wait", "3")):
                done = opaline(ben, *arguments)
                if done.code == 1 and ("opaline.db" in done.said or "device.key" in done.said or str(ben.home) in done.said):
                    continue
                wrong = (arguments[0] == "history" and [t for t in done.texts if t in right_texts] != done.texts) or (
                    arguments[0] == "verify" and done.code == 0 and done.lines[-1]["safety_number"] != right_number)
                if done.code not in (0, 3) or wrong:
                    problems.append(f"{arguments[0]}: {done}")
            check(not problems, f"{file} {damage.__name__}" + "".join(f"; {each}" for each in problems))
    check(server.stop() == 0, "the server shuts down cleanly")


CASES = {"server": server_files, "home": home_files}


if __name__ == "__main__":
    run_cases("damage", CASES, lambda programs, scratch: (Template(programs, scratch),))
