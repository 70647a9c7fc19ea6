"""People and a business through real processes: server, gateway, clients, and a business's software that takes webhooks.

    python3 tests/system/business_test.py DIR_WITH_PROGRAMS [CASE ...]
"""
import atexit
import gzip
import http.server
import importlib.util
import json
import os
import pathlib
import re
import ssl
import subprocess
import threading
import time
import types
import urllib.error
import urllib.request
import uuid

from support import SOURCE, Aborted, ABORTED, Server, opaline, people, run_cases, wait_for
import walkthrough_business
from walkthrough_business import admin_business, furnish

spec = importlib.util.spec_from_file_location("echo_business", SOURCE / "examples" / "echo_business.py")
echo = importlib.util.module_from_spec(spec)
spec.loader.exec_module(echo)


class Gateway(walkthrough_business.Gateway):
    """`opalined --role gateway` beside a development server, or (`house`) with the configuration of its own house. `around`: env and what it is told."""

    def __init__(self, programs, server, port=0, name="gateway", house=None, around=()):
        command = ["--config", house / "gateway.toml"] if house else ["--dev", server.directory]
        super().__init__([*around, programs.opalined, *command, "--role", "gateway", "--set", f"business.listen=127.0.0.1:{port}", "--set", "business.metrics=127.0.0.1:0"], (house or server.directory) / f"{name}-ports.json",
                         server.directory.parent / f"{name}.log")
        atexit.register(self.process.kill)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        code = super().stop()
        if found := ABORTED.search(pathlib.Path(self.log.name).read_text(errors="replace")):
            raise Aborted(pathlib.Path(self.log.name).read_text(errors="replace")[found.start():][:6000])
        return code


class Software(echo.Business):
    """A business's software: keeps what it got, answers through the API from inside its webhook handler if told to."""

    def __init__(self, server, name, own_gateway=False, compressed=True):
        self.raw = []  # headers and body of each webhook, as they came
        self.seen, self.got, self.held, self.answers, self.status = set(), [], None, True, 200
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if outer.held is not None:
                    outer.held.wait()
                self.send_response(outer.webhook(self.headers, body))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self.http.server_address[1]}"
        placement = ["--own-gateway"] if own_gateway else ["--webhook", self.address, "--allow-private-webhooks", "true", "--gzip", str(compressed).lower()]
        self.told = admin_business(server.programs.opalined, server, "create", name, *placement)
        self.urn = self.told["urn"]
        msp = self.told.get("msp") or {"id": "", "secret": ""}
        super().__init__(types.SimpleNamespace(api="https://unknown", business=self.told["id"], msp_id=msp["id"], secret=msp["secret"],
                                               ca=str(server.directory / "ca.pem")))

    def reach(self, gateway):
        self.options.api = gateway.url

    def webhook(self, headers, body):
        if not echo.is_from_service(headers.get("Authorization", ""), self.options.msp_id, self.options.secret):
            return 403
        self.raw.append(({k.lower(): v for k, v in headers.items()}, body))
        message = json.loads(gzip.decompress(body) if headers.get("Content-Encoding") == "gzip" else body)
        message["person"] = headers["source-id"]
        self.got.append(message)
        if self.answers and self.status == 200 and message["id"] not in self.seen and message["type"] in ("text", "interactive"):
            self.seen.add(message["id"])
            self.answer(message, message["person"])
        return self.status

    def texts(self):
        return [m["body"] for m in self.got if m["type"] == "text"]

    def heard(self, text):
        return wait_for(f"the webhook with '{text}'", lambda: next((m for m in self.got if m.get("body") == text), None))

    def post(self, person, body, message_id=None, **changed):
        """(status, error) of a text to a person."""
        message_id = message_id or str(uuid.uuid4())
        message = {"v": 1, "id": message_id, "type": "text", "sourceId": self.options.business, "destinationId": person, "body": body, **changed}
        try:
            self.call("POST", "/v1/message", json.dumps(message).encode(), id=message_id, source_id=self.options.business, destination_id=person)
            return 200, None
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"{}").get("error")


class World:
    def __init__(self, programs, directory):
        self.programs = programs
        directory.mkdir(exist_ok=True)
        self.server = Server(programs.opalined, directory / "server", True)
        self.server.programs = programs
        self.shop = Software(self.server, "Tea House")
        self.bank = Software(self.server, "Bank")
        self.plain = Software(self.server, "Plain Speaker", compressed=False)
        self.gateway = Gateway(programs, self.server)
        for one in (self.shop, self.bank, self.plain):
            one.reach(self.gateway)
        wait_for("the gateway to serve all", lambda: all(one["enrolled"] for one in admin_business(programs.opalined, self.server, "list")["businesses"]))
        self.anna, self.ben = people(programs, self.server, directory, "Anna", "Ben")

    def restart_gateway(self):
        self.gateway = Gateway(self.programs, self.server, self.gateway.port)

    def receives(self, person, text):
        def look():
            done = opaline(person, "receive")
            found.extend(done.texts)
            return text in found
        found = []
        return wait_for(f"{person.name} to receive '{text}'", look)


def conversation(check, world):
    """A person writes, the business answers from inside its webhook handler with everything that there is"""
    shop, anna = world.shop, world.anna
    check(opaline(anna, "business", "open", shop.urn).code == 0, "the profile is shown")
    check(not shop.got, "opening tells the business nothing")
    sent = opaline(anna, "send", shop.urn, "Hello there")
    check(sent.code == 0, f"sent: {sent}")
    first = shop.heard("Hello there")
    check(first["type"] == "text" and first["destinationId"] == shop.options.business and first["sourceId"].startswith("urn:mbid:"), f"as the contract says: {first}")
    check(world.receives(anna, "You wrote: Hello there"), "the answer is here")
    told = json.dumps(shop.got)
    check("anna" not in told.lower() and "example.org" not in told, "nothing of who she is")
    for word in ("list", "time", "quick", "form", "sign in", "link", "app"):
        before = len(shop.got)
        check(opaline(anna, "send", shop.urn, word).code == 0, f"asked for: {word}")
        wait_for("the webhook", lambda: len(shop.got) > before)
    check(world.receives(anna, "You wrote: bye") if opaline(anna, "send", shop.urn, "bye").code == 0 else False, "and the conversation goes on")
    check(len({m["person"] for m in shop.got}) == 1, "one person is one opaque id")


def closing(check, world):
    """Closing: close, then 410; writing opens again under the same id; being new is another id"""
    shop, ben = world.shop, world.ben
    check(opaline(ben, "send", shop.urn, "first").code == 0, "written")
    person = shop.heard("first")["person"]
    check(shop.post(person, "still open")[0] == 200, "the business may write")
    check(opaline(ben, "business", "close", shop.urn).code == 0, "closed")
    wait_for("the close", lambda: any(m["type"] == "close" and m["person"] == person for m in shop.got))
    message = str(uuid.uuid4())
    check(shop.post(person, "anybody there?", message) == (410, "closed"), "410 after that")
    check(shop.post(person, "anybody there?", message)[0] == 410 and shop.post(person, "and again?")[0] == 410, "and again")
    check(opaline(ben, "send", shop.urn, "back").code == 0, "written again")
    check(shop.heard("back")["person"] == person, "under the same id")
    check(shop.post(person, "welcome back")[0] == 200, "and the business may write again")
    check(world.receives(ben, "welcome back"), "which arrives")
    closes = sum(m["type"] == "close" for m in shop.got)
    check(opaline(ben, "business", "close", shop.urn, fault="client.persona_closing:2").code == -9, "killed when the business knows, and the service does not")
    wait_for("the close", lambda: sum(m["type"] == "close" for m in shop.got) > closes)
    check(shop.post(person, "in between") == (410, "closed"), "410 all the same")
    opaline(ben, "receive")  # goes on with the closing
    check(opaline(ben, "send", shop.urn, "back once more").code == 0 and shop.heard("back once more")["person"] == person, "written again")
    check(shop.post(person, "welcome again")[0] == 200 and world.receives(ben, "welcome again"), "and answered")
    check("in between" not in json.dumps(opaline(ben, "history", shop.urn).lines), "what got 410 was not sent")
    check(opaline(ben, "business", "new", shop.urn).code == 0, "new to the business")
    check(opaline(ben, "send", shop.urn, "somebody else").code == 0, "written as somebody else")
    check(shop.heard("somebody else")["person"] != person, "another id")
    check(shop.post(person, "to who you were")[0] in (404, 410), "the old one is nobody's")


def strangers(check, world):
    """An opaque id is worthless to another business, and so are its tokens; ids repeat without a second message"""
    shop, bank, anna = world.shop, world.bank, world.anna
    check(opaline(anna, "send", shop.urn, "to the shop").code == 0 and opaline(anna, "send", bank.urn, "to the bank").code == 0, "written to both")
    at_shop, at_bank = shop.heard("to the shop")["person"], bank.heard("to the bank")["person"]
    check(at_shop != at_bank, "two ids of one person")
    nobody = "urn:mbid:" + echo.b64url(os.urandom(37))
    check(bank.post(at_shop, "psst") == bank.post(nobody, "psst") == (404, "unknown"), "another's id is as nobody's")
    theirs, bank.options.secret = bank.options.secret, shop.options.secret
    check(bank.post(at_bank, "hello")[0] == 403, "a token of another secret")
    bank.options.secret = theirs
    mine, bank.options.msp_id = (bank.options.msp_id, bank.options.secret), shop.options.msp_id
    bank.options.secret = shop.options.secret
    check(bank.post(at_bank, "hello")[0] == 403, "a token of another MSP")
    bank.options.msp_id, bank.options.secret = mine
    again = str(uuid.uuid4())
    check([bank.post(at_bank, "once", again)[0] for _ in range(3)] == [200] * 3, "the same id three times")
    check(bank.post(at_bank, "after it")[0] == 200 and world.receives(anna, "after it"), "and what follows")
    check(sum(line.get("text") == "once" for line in opaline(anna, "history", bank.urn).lines) == 1, "is one message")


def killed(check, world):
    """The gateway dies while the business is deciding, and while it is down: nothing is lost, duplicates have one id"""
    shop, anna = world.shop, world.anna
    shop.answers, shop.held = False, threading.Event()
    check(opaline(anna, "send", shop.urn, "while it dies").code == 0, "written")
    time.sleep(0.5)
    world.gateway.kill()
    check(opaline(anna, "send", shop.urn, "while it is down").code == 0, "accepted by the service")
    shop.held.set()
    shop.held = None
    world.restart_gateway()
    shop.heard("while it dies")
    shop.heard("while it is down")
    ids = {m["id"] for m in shop.got if m.get("body") == "while it dies"}
    check(len(ids) == 1, f"one id: {ids}")
    order = [t for t in shop.texts() if t.startswith("while")]
    check(order.index("while it dies") < order.index("while it is down") and order[-1] == "while it is down", f"in order: {order}")
    shop.status = 503
    check(opaline(anna, "send", shop.urn, "to a shop that is closed").code == 0, "written while the webhook refuses")
    wait_for("an attempt", lambda: "to a shop that is closed" in shop.texts())
    world.gateway.kill()
    shop.status, shop.answers = 200, True
    world.restart_gateway()
    check(world.receives(anna, "You wrote: to a shop that is closed"), "taken after the restart, and answered")


def own_house(check, world):
    """A gateway in the business's own house: the service never has its webhook or secret"""
    own, anna, house = Software(world.server, "Own House", True), world.anna, world.server.directory.parent / "house"
    check(own.told["enrolment"].startswith("opaline-enrol-"), "the operator gives an enrolment")
    msp = furnish(house, world.server, own.told, "Own House", own.address)
    own.options.msp_id, own.options.secret, own.tls = msp["id"], msp["secret"], ssl.create_default_context(cafile=house / "certificate.pem")
    gateway = Gateway(world.programs, world.server, 0, "own", house)
    own.reach(gateway)
    shown = opaline(anna, "business", "open", own.urn)
    check(any(line.get("gateway") == "own_said" for line in shown.lines), f"own, says the operator: {shown.lines}")
    shown = opaline(anna, "business", "open", gateway.link())
    check(any(line.get("gateway") == "own_checked" for line in shown.lines), f"own, and checked by the link that the gateway gives: {shown.lines}")
    check(opaline(anna, "send", own.urn, "to your house").code == 0, "written")
    own.heard("to your house")
    check(world.receives(anna, "You wrote: to your house"), "answered")
    files, count = world.server.files_with(own.options.secret)
    check(not files and count > 5, f"no file of the service's has the secret: {files}")
    gateway.kill()
    (house / "enrolment").unlink()
    (house / "gateway.toml").write_text((house / "gateway.toml").read_text().replace('enrolment_file = "enrolment"', ""))
    gateway = Gateway(world.programs, world.server, gateway.port, "own", house)
    check(opaline(anna, "send", own.urn, "still you?").code == 0 and world.receives(anna, "You wrote: still you?"), "enrolled once is enough")
    check(gateway.stop() == 0, "it ends when it is asked to")


def long_answers(check, world):
    """An answer that no message has room for: by reference, which preDownload, the key and decodePayload open as the contract has it"""
    shop, anna = world.shop, world.anna
    check(opaline(anna, "send", shop.urn, "ask me much").code == 0, "written")
    person, pages = shop.heard("ask me much")["person"], [f"p{i}" for i in range(8)]
    shop.ask(person, "Tell us all", dynamic={"version": "1.2", "template": "messageForms", "data": {"startPageIdentifier": "p0", "showSummary": True, "pages": [
        {"pageIdentifier": page, "type": "input", "title": page, "options": {"required": True, "inputType": "multiline", "maximumCharacterCount": 10000},
         **({"nextPageIdentifier": pages[i + 1]} if i < 7 else {"submitForm": True})} for i, page in enumerate(pages)]}})
    wait_for("the question", lambda: any(line.get("question") for line in opaline(anna, "receive").lines))
    said = {page: f"{page} \U0001f375 " * 1200 for page in pages}
    done = opaline(anna, "answer", shop.urn, *(f"{page}={text}" for page, text in said.items()))
    check(done.code == 0 and done.state in ("sent", "delivered", "read"), f"sent: {done}")
    ref = wait_for("the answer", lambda: next((m["interactiveDataRef"] for m in shop.got if "interactiveDataRef" in m), None))
    check(ref["size"] > 0 and ref["title"] == "Tell us all" and ref["bid"] == echo.BID, f"a reference: {({k: v for k, v in ref.items() if k != 'key'})}")
    shop.checked({**ref, "name": "answer"})
    where = json.loads(shop.call("GET", "/v1/preDownload", source_id=shop.options.business, url=ref["url"], owner=ref["owner"], signature=ref["signature-base64"]))["download-url"]
    sealed = urllib.request.urlopen(where, context=shop.tls, timeout=60).read()
    opened = subprocess.run(["openssl", "enc", "-d", "-aes-256-ctr", "-K", ref["key"][2:], "-iv", "00" * 16], input=sealed, capture_output=True, check=True).stdout
    for raw in (opened, gzip.decompress(opened)):
        decoded = json.loads(shop.call("POST", "/v1/decodePayload", raw, source_id=shop.options.business, bid=ref["bid"]))
        given = {page["pageIdentifier"]: page["items"][0]["value"] for page in decoded["data"]["dynamic"]["selections"]}
        check(given == said, "every page of it is here")
    shown = opaline(anna, "history", shop.urn, "--limit", "1").lines
    check(shown[-1].get("answer"), f"and the history says that it was answered: {shown}")


def dead_letters(check, world):
    """What the business's software refuses is set aside, listed without its text, and comes back by the same id"""
    shop, ben = world.shop, world.ben
    shop.answers, shop.status = False, 400
    check(opaline(ben, "send", shop.urn, "refused by mistake").code == 0, "written")
    first = shop.heard("refused by mistake")
    admin = [world.programs.opalined, "--dev", world.server.directory, "admin", "dead-letters"]

    def listed():
        done = subprocess.run([*admin, "list", "--json"], capture_output=True, text=True, check=True)
        check("refused by" not in done.stdout and first["person"] not in done.stdout, "neither text nor person is shown")
        return [one for one in json.loads(done.stdout)["dead_letters"] if one["message"] == first["id"]]
    letter = wait_for("the dead letter", listed)[0]
    check((letter["attempts"], letter["reason"], letter["kept"]) == (3, "bad_request", True), f"what became of it: {letter}")
    check(world.receives(ben, "Not delivered: the business's system did not take this message."), "its person is told")
    shop.status, before = 200, len(shop.got)
    check("1 back" in subprocess.run([*admin, "retry", first["id"]], capture_output=True, text=True, check=True).stdout, "put back")
    wait_for("it to come again", lambda: [m for m in shop.got[before:] if m["id"] == first["id"] and m["body"] == "refused by mistake"])
    check(not listed(), "and it is no dead letter any more")
    check(subprocess.run([*admin, "retry", first["id"]], capture_output=True).returncode == 1, "which is said")
    shop.answers = True


def told_and_signed(check, world):
    """Delivered and read are told where the business asks for it and the person allows it; the page's verifier takes each webhook"""
    page = (SOURCE / "docs" / "business-api.md").read_text()
    verifier = {}
    exec(next(one for one in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "def is_signed" in one), verifier)
    shop, anna = world.shop, world.anna
    admin_business(world.programs.opalined, world.server, "update", shop.urn, "--status-webhooks", "true", "--signed-webhooks", "true")
    shop.answers = False

    def statuses(message):
        return [m["status"] for m in shop.got if m["type"] == "status" and m["messageId"] == message]

    def signed_now():  # once the gateway has the new settings
        check(opaline(anna, "send", shop.urn, "tell me").code == 0, "written")
        return any(h.get("webhook-signature") for h, _ in shop.raw)
    wait_for("a signed webhook", signed_now)
    person = shop.heard("tell me")["person"]
    message = str(uuid.uuid4())
    check(shop.post(person, "was it read?", message)[0] == 200 and world.receives(anna, "was it read?"), "it is read")
    wait_for("read", lambda: "read" in statuses(message))
    check(set(statuses(message)) <= {"delivered", "read"}, f"in words of the page: {statuses(message)}")
    signed = [(h, b) for h, b in shop.raw if h.get("webhook-signature")]
    check(all(verifier["is_signed"](h, b, shop.options.secret) for h, b in signed), f"{len(signed)} signatures are right")
    headers, body = signed[-1]
    check(not verifier["is_signed"](headers, body + b" ", shop.options.secret), "not of another body")
    check(not verifier["is_signed"](headers, body, shop.options.secret, time.time() + 301), "not after five minutes")
    check(opaline(anna, "receipts", "off").code == 0, "receipts off")
    silent, after = str(uuid.uuid4()), str(uuid.uuid4())
    check(shop.post(person, "and this one?", silent)[0] == 200 and world.receives(anna, "and this one?"), "read again")
    check(opaline(anna, "receipts", "on").code == 0, "receipts on")
    check(shop.post(person, "and now?", after)[0] == 200 and world.receives(anna, "and now?"), "read again")
    wait_for("read", lambda: "read" in statuses(after))
    check(not statuses(silent), "what the person does not allow is not told")
    admin_business(world.programs.opalined, world.server, "update", shop.urn, "--status-webhooks", "false", "--signed-webhooks", "false")
    shop.answers = True


def away(check, world):
    """Out of hours: whoever writes gets the business's text once, marked as automatic, and the business still gets what was written"""
    bank, ben = world.bank, world.ben
    text, bank.answers = "We are closed until Monday.", False
    admin_business(world.programs.opalined, world.server, "update", bank.urn, "--away-text", text, "--status-webhooks", "true")
    got, sent = [], []

    def told():
        sent.append(f"anybody in? {len(sent)}")
        check(opaline(ben, "send", bank.urn, sent[-1]).code == 0, "written")
        bank.heard(sent[-1])
        got.extend(line for line in opaline(ben, "receive").lines if line.get("text") == text)
        return got
    wait_for("the text", told)
    check(got[0].get("automatic"), f"marked: {got[0]}")
    told()
    check(bank.post(bank.heard(sent[-1])["person"], "A human after all")[0] == 200 and world.receives(ben, "A human after all"), "the business may write, too")
    told()
    check(len(got) == 1, f"once: {len(got)}")
    wait_for("what became of the business's own", lambda: [m for m in bank.got if m["type"] == "status" and m["status"] == "read"])
    check(len({m["messageId"] for m in bank.got if m["type"] == "status"}) == 1, "and it hears of nothing that it did not write")
    update = lambda *more: admin_business(world.programs.opalined, world.server, "update", bank.urn, *more)  # noqa: E731
    update("--hours", "UTC Mon-Fri 00:00-24:00, Sat-Sun 00:00-24:00", "--signed-webhooks", "true")

    def known():  # to the gateway
        told()
        return any(headers.get("webhook-signature") for headers, _ in bank.raw)
    wait_for("the gateway to know the hours", known)
    carol = people(world.programs, world.server, world.server.directory.parent, "Carol")[0]
    check(opaline(carol, "send", bank.urn, "are you open?").code == 0 and bank.post(bank.heard("are you open?")["person"], "We are")[0] == 200, "somebody new writes")
    heard = []
    wait_for("the answer", lambda: heard.extend(opaline(carol, "receive").texts) or "We are" in heard)
    check(text not in heard, f"open all week, so nothing comes by itself: {heard}")
    update("--hours", "UTC", "--signed-webhooks", "false")
    wait_for("the text, out of hours", lambda: opaline(carol, "send", bank.urn, "and now?").code == 0 and heard.extend(opaline(carol, "receive").texts) or text in heard)
    update("--hours", "")
    admin_business(world.programs.opalined, world.server, "update", bank.urn, "--away-text", "", "--status-webhooks", "false")
    bank.answers = True


def metrics(check, world):
    """The gateway's figures: readiness, what webhooks took; nothing of whom"""
    port = json.loads((world.server.directory / "gateway-ports.json").read_text())["metrics"]

    def ask(path):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.read().decode()
    check(ask("/healthz") == "ok\n" and wait_for("readiness", lambda: ask("/readyz")) == "ready\n", "well and ready")
    check(opaline(world.anna, "send", world.shop.urn, "count me").code == 0 and world.receives(world.anna, "You wrote: count me"), "written and answered")
    page = ask("/metrics")
    figures = dict(line.rsplit(" ", 1) for line in page.splitlines() if not line.startswith("#"))
    check(int(figures['opaline_gateway_webhooks_total{outcome="taken"}']) > 0 and int(figures["opaline_gateway_businesses"]) == 3, f"figures: {figures}")
    check(world.shop.options.business not in page and "mbid" not in page, "no identifier")


def moves(check, world):
    """A business moves to a gateway of its own and back: served all the while, its people are told, and go on once they agree"""
    server, anna = world.server, world.anna
    moving, house = Software(server, "Moving House"), server.directory.parent / "moving"
    update = lambda *more: admin_business(world.programs.opalined, server, "update", moving.urn, *more)  # noqa: E731
    moving.reach(world.gateway)
    hosted = moving.options.msp_id, moving.options.secret

    def writes(text):
        check(opaline(anna, "send", moving.urn, text).code == 0, f"written: {text}")
        check(moving.heard(text)["person"] == person if person else True, "from the same id")
        check(world.receives(anna, f"You wrote: {text}"), "and answered")

    def has_moved(to, text):
        refused = opaline(anna, "send", moving.urn, text)
        check(refused.code != 0, f"nothing goes out to another key: {refused}")
        told = [line for line in opaline(anna, "business", "open", moving.urn).lines if line.get("event") == "business"]
        check(told and told[-1].get("moved") == to, f"a move is shown as that: {told}")
        agreed = opaline(anna, "accept", moving.urn)
        check(agreed.code == 0, f"the person agrees: {agreed}")
        opaline(anna, "receive")
        check(moving.heard(text)["person"] == person and world.receives(anna, f"You wrote: {text}"), "then it goes out, from the same id")

    person = None
    wait_for("the gateway to serve it", lambda: admin_business(world.programs.opalined, server, "show", moving.urn)["enrolled"])
    writes("where you were")
    person = moving.heard("where you were")["person"]
    told = update("--own-gateway", "true")
    writes("before you go")
    msp = furnish(house, server, {**moving.told, **told}, "Moving House", moving.address)
    moving.options.msp_id, moving.options.secret, moving.tls = msp["id"], msp["secret"], ssl.create_default_context(cafile=house / "certificate.pem")
    own = Gateway(world.programs, server, 0, "moved", house)
    moving.reach(own)
    has_moved("to_own", "at your house")
    files, _ = server.files_with(hosted[1])
    check(not files, f"the service has no secret of its any more: {files}")
    writes("and again")
    back = update("--own-gateway", "false", "--webhook", moving.address, "--allow-private-webhooks", "true")
    moving.options.msp_id, moving.options.secret = back["msp"]["id"], back["msp"]["secret"]
    moving.tls = world.shop.tls
    moving.reach(world.gateway)
    wait_for("it to be hosted", lambda: not admin_business(world.programs.opalined, server, "show", moving.urn)["own_gateway"])
    has_moved("to_hosted", "back at the service")
    writes("and once more")
    check(own.stop() == 0, "the other gateway ends when it is asked to")


CASES = {f.__name__: f for f in (conversation, closing, strangers, killed, long_answers, dead_letters, told_and_signed, away, metrics, own_house, moves)}

if __name__ == "__main__":
    run_cases("business", CASES, lambda programs, scratch: [World(programs, scratch / "world")])
