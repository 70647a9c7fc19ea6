"""Promise 5: what people and businesses write is in plaintext only in the gateway's memory, and only while it is relayed.

    python3 tests/system/no_plaintext_test.py DIR_WITH_PROGRAMS [CASE ...]

Each text is the run's tag of 6 random letters and a number of its own, repeated: whatever 13 bytes of one are left
anywhere have the tag in them.
"""
import base64
import http.server
import json
import os
import pathlib
import re
import resource
import secrets
import signal
import string
import subprocess
import threading
import time
import uuid

from business_test import World, echo
from support import opaline, run_cases, wait_for


TAG = "".join(secrets.choice(string.ascii_letters) for _ in range(6))
FORMS = {"": TAG.encode(), " (UTF-16)": TAG.encode("utf-16-le"), " (base64)": base64.b64encode(TAG.encode())}


class Marker:
    """A text that nobody else writes: the run's tag and a number of its own, repeated."""
    all = {}

    def __init__(self, what, size=48):
        number = f"{len(Marker.all):02}"
        self.what, self.text = what, ((TAG + number) * (size // 8 + 1))[:size]
        Marker.all[number.encode()] = self


def found_in(data):
    """What of all texts is in it: a few lines for a person."""
    out = []
    for form, what in FORMS.items():
        at = data.find(what)
        if at >= 0:
            which = Marker.all.get(data[at + len(what):at + len(what) + 2])
            out.append(f"{which.what if which else 'a text'}{form}, {data.count(what)} in all: {data[max(0, at - 48):at + 80]!r}")
    return out


class Echo(http.server.BaseHTTPRequestHandler):
    """Software that answers with all that it was sent, as careless software does."""
    protocol_version = "HTTP/1.1"
    status = 200

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append(body)
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def regions(pid):
    """(name, bytes) of what a process has mapped; PermissionError for anybody but root, since nobody may trace it."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            found = re.match(r"([0-9a-f]+)-([0-9a-f]+) r\S* \S+ \S+ \d+ *(.*)", line)
            if not found or "[v" in line:
                continue
            first, last = (int(x, 16) for x in found.groups()[:2])
            if last - first > 1 << 32:  # a sanitizer's shadow
                continue
            memory.seek(first)
            try:
                yield found.group(3) or "anonymous", memory.read(last - first)
            except OSError:
                continue


def left_in(pid):
    return [f"{name}: {one}" for name, memory in regions(pid) for one in found_in(memory)]


def may_read(pid):
    try:
        next(regions(pid))
        return True
    except PermissionError:
        print("skipped: the memory of a process that nobody may trace is read by root alone")
        return False


def search(check, world, when):
    for name, process in (("gateway", world.gateway.process), ("server", world.server.process)):
        if may_read(process.pid):
            for _ in range(20):  # the last answer may be on its way to it
                if not (found := left_in(process.pid)):
                    break
                time.sleep(0.1)
            check(not found, f"{when}: nothing of {len(Marker.all)} texts is in the memory of the {name}" + "".join(f"\n       {one}" for one in found))
    files = [f for f in (*world.server.directory.rglob("*"), *world.server.directory.parent.glob("*.log")) if f.is_file()]
    held = [(f.name, found) for f in files if f.exists() and (found := found_in(f.read_bytes()))]
    check(not held and len(files) > 5, f"{when}: and in no file of {len(files)}: {held}")


def write(world, person, shop, marker):
    """Their opaque id there."""
    if opaline(person, "send", shop.urn, marker.text).code != 0:
        raise RuntimeError("not sent")
    return shop.heard(marker.text)["person"]


def texts(check, world):
    """Texts of all sizes, both ways, with gzip and without"""
    anna, markers = world.anna, []
    for shop in (world.shop, world.plain):
        shop.answers = False
        for size in (9, 15, 16, 22, 23, 64, 100, 1000, 6000, 9500):
            markers.append(Marker(f"a person's text of {size} bytes", size))
            person = write(world, anna, shop, markers[-1])
            markers.append(Marker(f"a business's text of {size} bytes", size))
            check(shop.post(person, markers[-1].text)[0] == 200, f"{size} bytes each way")
        check(world.receives(anna, markers[-1].text), "and the last is here")
        for size, kind in ((40_000, "text"), (300_000, "text"), (48, "no type")):
            markers.append(Marker(f"a business's text of {size} bytes that is refused", size))
            check(shop.post(person, markers[-1].text, type=kind)[0] == 400, f"refused: {size} bytes, {kind}")
    long = opaline(anna, "send", world.shop.urn, "x" * 10_001)
    check(long.code == 1 and "10,000" in long.said, f"what no webhook could carry is refused before it leaves: {long}")
    opaline(anna, "receive")
    search(check, world, "after texts")


def control(check, world):
    """While a message is on its way it is found in the gateway, so the search can find"""
    anna, shop = world.anna, world.plain
    shop.answers, shop.held, marker = False, threading.Event(), Marker("a text that is on its way", 1000)
    check(opaline(anna, "send", shop.urn, marker.text).code == 0, "written")
    if may_read(world.gateway.process.pid):
        wait_for("it to be in the gateway's memory", lambda: left_in(world.gateway.process.pid))
        check(not left_in(world.server.process.pid), "and not in the server's")
    shop.held.set()
    shop.held = None
    shop.heard(marker.text)
    search(check, world, "once it is taken")


def refused(check, world):
    """Webhooks that fail, refuse for good, and answer with what they were sent"""
    anna, shop = world.anna, world.plain
    shop.answers, markers = False, [Marker("a text that is tried again", 700)]
    shop.status = 503
    check(opaline(anna, "send", shop.urn, markers[0].text).code == 0, "written")
    wait_for("an attempt", lambda: markers[0].text in shop.texts())
    search(check, world, "between two attempts")
    shop.status = 400
    wait_for("three refusals", lambda: shop.texts().count(markers[0].text) >= 4)
    shop.status = 200
    markers.append(Marker("the text after it", 20))
    write(world, anna, shop, markers[-1])
    careless = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    careless.got, careless.status = [], 200
    threading.Thread(target=careless.serve_forever, daemon=True).start()
    told = subprocess.run([world.programs.opalined, "--dev", world.server.directory, "admin", "business", "update", shop.options.business,
                                         "--webhook", f"http://127.0.0.1:{careless.server_address[1]}"], capture_output=True, text=True)
    check(told.returncode == 0, f"its webhook is elsewhere: {told.stderr}")
    wait_for("the gateway to know", lambda: opaline(anna, "send", shop.urn, "who is there?").code == 0 and careless.got)
    for size in (15, 900, 9500):
        markers.append(Marker(f"a text of {size} bytes that comes back", size))
        check(opaline(anna, "send", shop.urn, markers[-1].text).code == 0, "written")
        wait_for("it", lambda: any(markers[-1].text.encode() in body for body in careless.got))
    search(check, world, "after answers that say it again")
    careless.status, markers = 500, [Marker("a text that comes back in an error", 3000)]
    check(opaline(anna, "send", shop.urn, markers[0].text).code == 0, "written")
    wait_for("it", lambda: any(markers[0].text.encode() in body for body in careless.got))
    search(check, world, "after an error that says it again")
    subprocess.run([world.programs.opalined, "--dev", world.server.directory, "admin", "business", "update", shop.options.business, "--webhook",
                                  shop.address], check=True, capture_output=True)
    wait_for("the old webhook to be asked again", lambda: opaline(anna, "send", shop.urn, "still here?").code == 0 and "still here?" in shop.texts())


def questions(check, world):
    """Interactive messages, both ways, small and large, and pictures"""
    anna, shop = world.anna, world.plain
    shop.answers, markers = False, [Marker(w) for w in ("a title", "an item", "a page's title", "a reply's title", "a link's title", "a section")]
    title, item, page, reply, link, section = (m.text for m in markers)
    person = write(world, anna, shop, Marker("hello"))
    pad = Marker("a question that needs an upload", 60_000)
    for pictures, subtitle in (([echo.DOT], ""), ([base64.b64encode(pad.text.encode()[:48_000]).decode()] * 6, pad.text)):
        shop.send(person, "interactive", interactiveData={
            "bid": echo.BID, "receivedMessage": {"title": title, "style": "icon", **({"subtitle": subtitle[:500]} if subtitle else {})},
            "replyMessage": {"title": reply, "style": "icon"},
            "data": {"version": "1.0", "requestIdentifier": str(uuid.uuid4()),
                     "images": [{"identifier": f"dot{i}", "data": one, "description": page} for i, one in enumerate(pictures)],
                     "listPicker": {"sections": [{"title": section, "order": 0, "multipleSelection": False, "items": [
                         {"identifier": str(i), "title": item, "order": i, **({"subtitle": subtitle[:400]} if subtitle else {})} for i in range(20)]}]}}})
        wait_for("the question", lambda: any(item in json.dumps(line) for line in opaline(anna, "receive").lines))
        before = len(shop.got)
        done = opaline(anna, "answer", shop.urn, "1.2")
        check(done.code == 0, f"answered: {done}")
        wait_for("the answer", lambda: any(m["type"] == "interactive" for m in shop.got[before:]))
    shop.send(person, "richLink", richLinkData={"url": f"https://shop.example/{link}", "title": link, "assets": {"image": {"data": echo.DOT, "mimeType": "image/png"}}})
    wait_for("the link", lambda: any(link in json.dumps(line) for line in opaline(anna, "receive").lines))
    search(check, world, "after questions")


def files(check, world):
    """Attachments: names, what is in them, and their keys"""
    anna, shop = world.anna, world.plain
    shop.answers, name, inside, text = False, Marker("a file's name", 24), Marker("a file's content", 5000), Marker("the text beside it")
    path = world.server.directory.parent / f"{name.text}.txt"
    path.write_text(inside.text)
    check(opaline(anna, "send", shop.urn, text.text, "--attach", path).code == 0, "sent")
    path.unlink()
    got = wait_for("the webhook", lambda: next((m for m in shop.got if m.get("attachments")), None))
    check([one["name"] for one in got["attachments"]] == [f"{name.text}.txt"], "its name is told")
    status = shop.post(got["person"], text.text, attachments=got["attachments"])
    check(status[0] == 200 and world.receives(anna, text.text), f"and it goes back: {status}")
    search(check, world, "after a file each way")
    if may_read(world.gateway.process.pid):
        key = got["attachments"][0]["key"]
        raw = bytes.fromhex(key)[-32:]
        for form in (key.encode(), key.lower().encode(), raw, base64.b64encode(raw)[:42]):
            found = [name for name, memory in regions(world.gateway.process.pid) if form[-30:] in memory]
            check(not found, f"its key is not in the gateway's memory, as {form[:4]}...: {found}")


def died_by(process, number):
    """Kills it; true if the kernel has written a core dump."""
    os.kill(process.pid, number)
    _, status = os.waitpid(process.pid, 0)
    process.returncode = -os.WTERMSIG(status)
    return os.WCOREDUMP(status)


def core_dumps(check, world):
    """A gateway that aborts with a message in its memory leaves no core"""
    anna, shop, here = world.anna, world.plain, world.server.directory.parent / "cores"
    here.mkdir()
    for name in ("opaline", "opalined"):
        setattr(world.programs, name, getattr(world.programs, name).resolve())
    before, at = resource.getrlimit(resource.RLIMIT_CORE), pathlib.Path.cwd()
    if before[1] == 0:
        return print("skipped: the limit of core files is 0 here")
    resource.setrlimit(resource.RLIMIT_CORE, (before[1], before[1]))
    os.chdir(here)
    try:
        sleeper = subprocess.Popen(["sleep", "1000"])
        wait_for("sleep to be there", lambda: b"sleep" in pathlib.Path(f"/proc/{sleeper.pid}/cmdline").read_bytes())
        can = died_by(sleeper, signal.SIGABRT)
        check(can or "|" not in pathlib.Path("/proc/sys/kernel/core_pattern").read_text(), "another program leaves a core" if can else "no core of any program")
        world.gateway.stop()
        shop.answers, marker = False, Marker("a text that is on its way", 2000)
        for number in (signal.SIGABRT, signal.SIGSEGV):
            world.restart_gateway()
            shop.held = threading.Event()
            check(opaline(anna, "send", shop.urn, marker.text).code == 0, "written")
            if may_read(world.gateway.process.pid):
                wait_for("it to be in the gateway's memory", lambda: left_in(world.gateway.process.pid))
            check(not died_by(world.gateway.process, number), f"killed by {signal.Signals(number).name}: the kernel says that it wrote no core")
            shop.held.set()
            shop.held = None
            check(not any(found_in(f.read_bytes()) for f in here.rglob("*")), "and no file has the text")
    finally:
        os.chdir(at)
        resource.setrlimit(resource.RLIMIT_CORE, before)
    world.restart_gateway()
    check(bool(shop.heard(marker.text)), "and nothing is lost")
    search(check, world, "after the restart")


CASES = {f.__name__: f for f in (control, texts, refused, questions, files, core_dumps)}

if __name__ == "__main__":
    run_cases("no-plaintext", CASES, lambda programs, scratch: [World(programs, scratch / "world")])
