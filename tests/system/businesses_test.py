"""A person and businesses, with real programs: opening, writing, answering, sharing, closing, being new, several devices, kill -9 between the steps.

    python3 tests/system/businesses_test.py DIR_WITH_PROGRAMS PLAY_BUSINESS [CASE ...]
"""
import base64
import json
import pathlib
import subprocess
import sys
import tempfile
import threading

from support import Checks, Programs, Server, opaline, people, quietly, wait_for, Following, Person
from walkthrough import link

programs = Programs(sys.argv[1])
PLAYER = sys.argv[2]
BID = "com.apple.messages.MSMessageExtensionBalloonPlugin:0000000000:com.apple.icloud.apps.messages.business.extension"
INTERACTIVE, RICH_LINK, CLOSE = 1, 2, 3
NOBODY = "urn:biz:5f0c1d2e-3b4a-4c5d-8e6f-708192a3b4c5"
POINTS = ("made", "joined", "confirmed", "opened")


class Business:
    """A business and its gateway, which a test speaks for."""

    def __init__(self, server, directory, name, *options):
        made = subprocess.run([programs.opalined, "admin", "--socket", next(server.directory.rglob("*.sock")), "--json", "business", "create", name, "--own-gateway", *options],
                              capture_output=True, text=True, timeout=60)
        made = json.loads(made.stdout)
        self.urn, self.lines = made["urn"], []
        self.home, self.enrolment = directory / name.replace(" ", "_"), made["enrolment"]
        self.begin(server)

    def begin(self, server):
        """Starts its program; again, if the server has another port."""
        self.process = subprocess.Popen([PLAYER, server.url, server.directory / "ca.pem", self.home, self.enrolment], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        threading.Thread(target=self._collect, daemon=True).start()
        self.wait(lambda line: line["event"] == "ready", "the gateway")

    def _collect(self):
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def wait(self, right, what):
        return wait_for(what, lambda: next((line for line in list(self.lines) if right(line)), None))

    def got(self, text):
        return self.wait(lambda line: line.get("text") == text, f"the business to get '{text}'")

    def count(self, text):
        return sum(line.get("text") == text for line in self.lines)

    def say(self, to, text="", **more):
        """Returns the message's id."""
        before = len(self.lines)
        self.process.stdin.write(json.dumps({"to": to, "text": text, **more}) + "\n")
        self.process.stdin.flush()
        return wait_for("the business to have sent", lambda: next((line["id"] for line in self.lines[before:] if line["event"] == "queued"), None))

    def state(self, message, states):
        return self.wait(lambda line: line["event"] == "state" and line["id"] == message and line["state"] in states, f"state {states}")

    def ask(self, to, data, title="Please choose"):
        content = {"bid": BID, "data": {"requestIdentifier": "6b1d2c3e-9f80-4a1b-8c7d-112233445566", **data},
                   "receivedMessage": {"title": title}, "sessionIdentifier": "6b1d2c3e-9f80-4a1b-8c7d-112233445566"}
        return self.say(to, kind=INTERACTIVE, json=json.dumps(content, separators=(",", ":")))

    def end(self):
        self.process.stdin.close()
        self.process.kill()


def standing(person, urn):
    return next((line for line in opaline(person, "business", "list").lines if line.get("business") == urn), None)


def begin(directory, *names):
    server = Server(programs.opalined, directory / "server", True)
    return server, people(programs, server, directory, *names)


def sent(done):
    return done.code == 0 and done.state in ("sent", "delivered", "read")


def case_writing(check, directory):
    """Opening, writing, being answered, closing, writing again, being new, blocking"""
    server, (anna,) = begin(directory, "Anna")
    shop, bank = Business(server, directory, "Corner Shop", "--website", "shop.example.org"), Business(server, directory, "Bank")
    try:
        done = opaline(anna, "business", "open", f"https://chat.example.org/{shop.urn}?biz-intent-id=help&biz-group-id=sales&body=Hello%20shop")
        profile = done.lines[0]
        check(done.code == 0 and profile["name"] == "Corner Shop" and profile["gateway"] == "own_said" and profile["body"] == "Hello shop" and
              profile["standing"] == "looked_at", f"open shows who it is, and a text to send {profile}")
        check(not shop.count("Hello shop") and standing(anna, shop.urn)["standing"] == "looked_at", "nothing was sent or opened")
        check(opaline(anna, "business", "open", NOBODY).lines[0]["error"] == "no_such_business", "there is no other business")
        check(sent(opaline(anna, "send", shop.urn, "one")), "a text is sent")
        one = shop.got("one")
        check(one["intent"] == "help" and one["group"] == "sales" and one["device_agent"] == "linux" and one["capabilities"] == 62, f"with what the link said {one}")
        shop.say(one["from"], "welcome", automatic=True)
        came = next(line for line in opaline(anna, "receive").lines if line["event"] == "message")
        check(came["text"] == "welcome" and came["from"] == "Corner Shop" and came["business"] == shop.urn and came["automatic"], f"the answer comes {came}")
        check(sent(opaline(anna, "send", shop.urn, "two")) and shop.got("two")["intent"] == "", "once it has answered, the link's intent is said no more")
        check(sent(opaline(anna, "send", bank.urn, "one")) and bank.got("one")["opaque_id"] != one["opaque_id"] and bank.got("one")["from"] != one["from"],
              "another business knows another id")
        texts = [line.get("text") for line in opaline(anna, "history").lines if line["event"] == "message"]
        check(texts == ["one", "welcome", "two", "one"], f"history has all of it {texts}")
        check([line.get("text") for line in opaline(anna, "history", bank.urn).lines if line["event"] == "message"] == ["one"], "or one conversation")
        done = opaline(anna, "business", "close", shop.urn)
        check(done.code == 0 and done.lines[0]["standing"] == "closed" and not done.lines[0]["pending"], f"closed {done.lines}")
        check(shop.wait(lambda line: line.get("kind") == CLOSE, "the close")["from"] == one["from"], "the business is told")
        refused = shop.say(one["from"], "are you there?")
        check(shop.state(refused, (5,))["reason"] == 10, "and cannot write any more")
        check(not opaline(anna, "receive").texts, "nothing of it comes")
        check(sent(opaline(anna, "send", shop.urn, "again")) and shop.got("again")["opaque_id"] == one["opaque_id"], "writing opens it, under the same id")
        shop.say(one["from"], "hello again")
        check(opaline(anna, "receive").texts == ["hello again"], "and it is answered")
        check(opaline(anna, "business", "new", shop.urn).code == 0 and sent(opaline(anna, "send", shop.urn, "who am I")), "being new")
        check(shop.got("who am I")["opaque_id"] != one["opaque_id"] and shop.got("who am I")["from"] != one["from"], "it is another id")
        late = shop.say(one["from"], "you?")
        check(shop.state(late, (5,))["state"] == 5, "the old one is worthless")
        check(opaline(anna, "block", shop.urn).lines[0]["standing"] == "blocked" and opaline(anna, "send", shop.urn, "no").lines[0]["error"] == "blocked", "blocked")
        check(opaline(anna, "business", "unblock", shop.urn).lines[0]["standing"] == "closed" and sent(opaline(anna, "send", shop.urn, "yes")), "and lifted")
        check(opaline(anna, "delete", shop.urn, "--yes").code == 0 and not opaline(anna, "history", shop.urn).lines and standing(anna, shop.urn)["standing"] == "closed",
              "deleting closes")
        check(opaline(anna, "history", bank.urn).texts == ["one"], "and is about this one alone")
    finally:
        shop.end(), bank.end(), server.stop()


LIST = {"listPicker": {"sections": [{"title": "Size", "order": 0, "multipleSelection": False, "items": [{"identifier": "s", "title": "Small", "order": 0}, {"identifier": "l", "title": "Large", "order": 1}]},
                                    {"title": "Extras", "order": 1, "multipleSelection": True, "items": [{"identifier": "a", "title": "Milk", "order": 0}, {"identifier": "b", "title": "Sugar", "order": 1}]}]}}
TIME = {"event": {"identifier": "e", "title": "Visit", "timeslots": [{"identifier": "t1", "startTime": "2027-01-15T08:00+0000", "duration": 1800}, {"identifier": "t2", "startTime": "2027-01-15T09:00+0000", "duration": 1800}]}}
QUICK = {"quick-reply": {"summaryText": "Happy?", "items": [{"identifier": "y", "title": "Yes"}, {"identifier": "n", "title": "N\u202eo"}]}}

FORM = {"dynamic": {"version": "1.2", "template": "messageForms", "data": {"startPageIdentifier": "0", "showSummary": True, "pages": [
    {"pageIdentifier": "0", "type": "splash", "title": "Hello", "nextPageIdentifier": "where"},
    {"pageIdentifier": "where", "type": "select", "title": "Where?", "multipleSelection": False, "items": [
        {"title": "Here", "value": "here", "identifier": "h", "nextPageIdentifier": "name"}, {"title": "There", "value": "there", "identifier": "t", "nextPageIdentifier": "when"}]},
    {"pageIdentifier": "name", "type": "input", "title": "Name?", "nextPageIdentifier": "what", "options": {"required": True, "inputType": "singleline", "keyboardType": "default", "maximumCharacterCount": 10}},
    {"pageIdentifier": "when", "type": "datePicker", "title": "When?", "nextPageIdentifier": "what"},
    {"pageIdentifier": "what", "type": "select", "title": "What?", "multipleSelection": True, "submitForm": True, "items": [
        {"title": "One", "value": "1", "identifier": "1"}, {"title": "Two", "value": "2", "identifier": "2"}]}]}}}
LONG = {"dynamic": {"version": "1.2", "template": "messageForms", "data": {"startPageIdentifier": "a", "showSummary": True, "pages": [
    {"pageIdentifier": "a", "type": "input", "title": "All?", "nextPageIdentifier": "b", "options": {"required": True, "inputType": "multiline", "maximumCharacterCount": 10000}},
    {"pageIdentifier": "b", "type": "input", "title": "More?", "submitForm": True, "options": {"required": True, "inputType": "multiline", "maximumCharacterCount": 10000}}]}}}
SIGN_IN = {"authenticate": {"oauth2": {"responseType": "code", "scope": ["profile"], "state": "st-4711", "redirectURI": "https://shop.example/back"}}}


def case_forms(check, directory):
    """Forms are answered by PAGE=VALUE or page by page, signing in by a code or not at all"""
    server, (anna,) = begin(directory, "Anna")
    shop = Business(server, directory, "Shop")

    def answered(question):
        return json.loads(shop.wait(lambda line: line.get("answers") == question, "the answer")["json"])["data"]
    try:
        opaline(anna, "send", shop.urn, "hello")
        me = shop.got("hello")["from"]
        question = shop.ask(me, FORM)
        opaline(anna, "receive")
        for wrong in (("where=1",), ("where=Here", "name=much too long a name", "what=1"), ("where=3", "name=Ada", "what=1"), ("where=There", "name=Ada", "what=1"), ("where=2", "when=soon", "what=1"), ("1",)):
            check(opaline(anna, "answer", shop.urn, *wrong).lines[0]["error"] == "bad_text", f"{wrong} is no answer to the form")
        check(sent(opaline(anna, "answer", shop.urn, "where=Here", "name=Ada", "what=1,2")), "by arguments")
        pages = [(page["pageIdentifier"], [item["value"] for item in page["items"]]) for page in answered(question)["dynamic"]["selections"]]
        check(pages == [("where", ["here"]), ("name", ["Ada"]), ("what", ["1", "2"])], f"the business has it {pages}")
        question = shop.ask(me, FORM)
        opaline(anna, "receive")
        done = subprocess.run([*anna.command, "answer", shop.urn], input="\n2\n2027-01-15\n2\n", capture_output=True, text=True, timeout=60)
        pages = [(page["pageIdentifier"], [item["value"] for item in page["items"]]) for page in answered(question)["dynamic"]["selections"]]
        check(done.returncode == 0 and pages == [("where", ["there"]), ("when", ["2027-01-15"]), ("what", ["2"])], f"page by page {pages}")
        question = shop.ask(me, LONG, "Tell us all")
        opaline(anna, "receive")
        check(sent(opaline(anna, "answer", shop.urn, "a=" + "long " * 1500, "b=longer")), "an answer of 15 kB")
        answer = shop.wait(lambda line: line.get("answers") == question, "the answer")
        check(answer["in_file"] and not answer["json"] and answer["files"] == 1 and answer["text"] == "Tell us all", f"goes as a file {answer}")
        check(opaline(anna, "history", shop.urn, "--limit", "1").lines[0]["answer"] == "Tell us all", "history says so")
        check(opaline(anna, "answer", shop.urn, "a=x", "b=y").lines[0]["error"] == "unknown_peer", "and it is answered")
        question = shop.ask(me, LONG, "Tell us more")
        opaline(anna, "receive")
        done = opaline(anna, "answer", shop.urn, "a=" + "x" * 10001, "b=y")
        check(done.lines[0]["error"] == "bad_text" and "longer than it may be" in done.lines[0]["message"], f"what the form does not take is refused {done}")
        done = opaline(anna, "answer", shop.urn, "a=" + "later " * 1500, "b=y", url="https://127.0.0.1:1")
        check(done.code == 3 and done.lines[0]["event"] == "upload" and done.lines[0]["answers"] == question, f"without the service it waits {done}")
        check(opaline(anna, "answer", shop.urn, "a=x", "b=y").lines[0]["error"] == "unknown_peer", "as the answer that it is")
        opaline(anna, "receive")
        check(shop.wait(lambda line: line.get("answers") == question, "the answer")["in_file"], "and goes out with the next command")
        for arguments, status in ((("--code", "abc"), "authenticated"), (("--cancel",), "cancelled")):
            question = shop.ask(me, SIGN_IN)
            opaline(anna, "receive")
            check(opaline(anna, "answer", shop.urn, "1").lines[0]["error"] == "bad_text", "signing in takes a code")
            check(sent(opaline(anna, "answer", shop.urn, *arguments)), f"signing in: {status}")
            check(answered(question)["authenticate"]["status"] == status, f"the business has it {answered(question)['authenticate']}")
    finally:
        shop.end(), server.stop()


def case_answers(check, directory):
    """Lists, times and quick replies are shown with numbers, and answered by them; links are shown; labels hide nothing"""
    server, (anna,) = begin(directory, "Anna")
    shop = Business(server, directory, "Shop")
    try:
        opaline(anna, "send", shop.urn, "hello")
        me = shop.got("hello")["from"]
        check(opaline(anna, "answer", shop.urn, "1").lines[0]["error"] == "unknown_peer", "there is nothing to answer yet")
        for data, wrong, right, words in ((LIST, ("3.1", "1.3", "1.1,1.2", "x"), ("1.2", "2.1,2.2"), "Large, Milk, Sugar"), (TIME, ("0", "3", "1.1"), ("2",), "2027-01-15T09:00+0000"),
                                          (QUICK, ("3", "a"), ("1",), "Yes")):
            kind = next(iter(data))
            question = shop.ask(me, data)
            came = next(line for line in opaline(anna, "receive").lines if line["event"] == "message")
            check(came["question"]["kind"] in ("list", "time", "quick"), f"{kind}: it comes {came.get('question')}")
            for each in wrong:
                check(opaline(anna, "answer", shop.urn, each).lines[0]["error"] == "bad_text", f"{kind}: {each} was not offered")
            done = opaline(anna, "answer", shop.urn, *right)
            check(sent(done), f"{kind}: {right} is sent {done}")
            answer = shop.wait(lambda line: line.get("answers") == question, "the answer")
            check(answer["kind"] == INTERACTIVE and words.split(",")[0] in answer["json"], f"{kind}: the business has it {answer['json'][:200]}")
            check(opaline(anna, "answer", shop.urn, *right).lines[0]["error"] == "unknown_peer", f"{kind}: it is answered")
            check(opaline(anna, "history", shop.urn, "--limit", "1").lines[0]["answer"] == words, f"{kind}: history says how")
        shown = subprocess.run([*anna.command, "history", shop.urn], capture_output=True, text=True).stdout
        check("2.1  Milk" in shown and "\u202e" not in shown and "N\ufffdo" in shown and "[your answer] Yes" in shown, f"for people it is a list with numbers\n{shown}")
        shop.say(me, kind=RICH_LINK, json=json.dumps({"url": "https://shop.example.org/x", "title": "Our\u202e offer", "assets": {"image": {"data": "aGVsbG8=", "mimeType": "image/png"}}}))
        came = next(line for line in opaline(anna, "receive").lines if line["event"] == "message")
        check(came["link"]["url"] == "https://shop.example.org/x", f"a link {came}")
        shop.say(me, kind=INTERACTIVE, json='{"what": "is this"}')
        shop.say(me, kind=INTERACTIVE, json='[[[')
        check(len([line for line in opaline(anna, "receive").lines if line["event"] == "message"]) == 2 and sent(opaline(anna, "send", shop.urn, "hm")), "nonsense is shown as such")
    finally:
        shop.end(), server.stop()


def case_sharing(check, directory):
    """Personal data goes out by an explicit act alone, and stays listed; files go both ways"""
    server, (anna,) = begin(directory, "Anna")
    shop = Business(server, directory, "Shop")
    try:
        check(opaline(anna, "share", shop.urn, "name=Anna", "--yes").lines[0]["error"] == "unknown_peer", "not before the person has written")
        opaline(anna, "send", shop.urn, "hello")
        check(opaline(anna, "share", shop.urn, "name=Anna").lines[0]["error"] == "refused", "not without a yes")
        check(opaline(anna, "share", shop.urn, "name", "--yes").lines[0]["error"] == "bad_text", "not without a value")
        check(sent(opaline(anna, "share", shop.urn, "name=Anna", "email=anna@example.org", "--yes")), "shared")
        got = shop.got("Name: Anna\nE-mail: anna@example.org")
        check(got["shared"] == "name,email", "the business knows what it is")
        listed = opaline(anna, "shared").lines
        check(len(listed) == 1 and listed[0]["fields"] == ["name", "email"] and listed[0]["name"] == "Shop" and listed[0]["business"] == shop.urn, f"it is listed {listed}")
        opaline(anna, "delete", shop.urn, "--yes")
        check(opaline(anna, "shared", shop.urn).lines == listed, "also when the conversation is deleted")
        (directory / "plan.txt").write_text("the plan")
        check(sent(opaline(anna, "send", shop.urn, "see this", "--attach", directory / "plan.txt")) and shop.got("see this")["files"] == 1, "a file goes out")
    finally:
        shop.end(), server.stop()


def case_gateways(check, directory):
    """A link names the gateway's key: checked before the first word goes out; another one is an alarm"""
    server, (anna,) = begin(directory, "Anna")
    shop = Business(server, directory, "Shop")
    try:
        wrong = base64.urlsafe_b64encode(bytes(32)).decode().rstrip("=")
        done = opaline(anna, "business", "open", f"{shop.urn}?opaline-gateway={wrong}")
        check(done.lines[0]["gateway"] == "changed", f"a link with another key is a warning {done.lines}")
        check(opaline(anna, "send", shop.urn, "secret").lines[0]["error"] == "identity_changed" and not shop.count("secret"), "nothing goes out")
        (directory / "secret.txt").write_text("secret")
        done = opaline(anna, "send", shop.urn, "a file", "--attach", directory / "secret.txt")
        check(done.lines[0]["error"] == "identity_changed" and not shop.count("a file"), f"no file either {done}")
        right = base64.urlsafe_b64encode(bytes.fromhex(next(line["key"] for line in shop.lines if "key" in line))).decode().rstrip("=")
        done = opaline(anna, "business", "open", f"{shop.urn}?opaline-gateway={right}")
        check(done.lines[0]["gateway"] == "own_checked", f"a link with its key {done.lines}")
        check(sent(opaline(anna, "send", shop.urn, "hello")) and shop.got("hello"), "then it goes out")
        opaline(anna, "business", "open", f"{shop.urn}?opaline-gateway={wrong}")
        check(opaline(anna, "send", shop.urn, "secret").lines[0]["error"] == "identity_changed", "also later")
        check(opaline(anna, "accept", shop.urn).code == 0 and sent(opaline(anna, "send", shop.urn, "all the same")), "unless the person agrees")
        check(standing(anna, shop.urn)["gateway"] == "own_said", "it is not checked then")
        check(opaline(anna, "accept", shop.urn).lines[0]["error"] == "no_alarm", "nothing is left to agree to")
        done = opaline(anna, "business", "check", shop.urn, "--yes", "--domain-ca", directory / "nowhere.pem")
        check(done.code == 1 and done.lines[0]["error"] == "certificate_rejected", f"an authority that cannot be read {done}")
    finally:
        shop.end(), server.stop()


def case_uploads(check, directory):
    """A file for a business that is not up yet: listed with its conversation, and given up so that nothing of it is left"""
    server, (anna,) = begin(directory, "Anna")
    shop, bank = Business(server, directory, "Shop"), Business(server, directory, "Bank")
    try:
        for business in (shop, bank):
            check(sent(opaline(anna, "send", business.urn, "hello")), "written")
        (directory / "plan.txt").write_text("the plan")
        for text in ("see this", "and that"):
            opaline(anna, "send", shop.urn, text, "--attach", directory / "plan.txt", fault="files.after_accepted")
        listed = [line for line in opaline(anna, "history", shop.urn).lines if line["event"] == "upload"]
        check([(one["text"], one["to"], one["state"]) for one in listed] == [("see this", shop.urn, "uploading"), ("and that", shop.urn, "uploading")], f"its history lists them {listed}")
        check(not [line for line in opaline(anna, "history", bank.urn).lines if line["event"] == "upload"], "another's does not")
        check(len([line for line in opaline(anna, "history").lines if line["event"] == "upload"]) == 2, "the whole does")
        spools = [path for path in anna.home.rglob("outgoing/*")]
        check(len(spools) == 2, f"their ciphertext is in the home {spools}")
        check(opaline(anna, "cancel", "00000000").lines[0]["error"] == "unknown_peer", "there is no such upload")
        done = opaline(anna, "cancel", listed[0]["id"][:8])
        check(done.code == 0 and done.lines[0] == {"event": "cancelled", "id": listed[0]["id"]}, f"given up {done}")
        check(len([path for path in anna.home.rglob("outgoing/*")]) == 1, "its ciphertext is gone")
        opaline(anna, "receive")
        check(shop.got("and that")["files"] == 1 and not shop.count("see this"), "the other one goes out with the next command")
        check(not [line for line in opaline(anna, "history").lines if line["event"] == "upload"] and not [path for path in anna.home.rglob("outgoing/*")], "and nothing is left")
        check(opaline(anna, "cancel", listed[1]["id"][:8]).lines[0]["error"] == "unknown_peer", "what is sent cannot be given up")
    finally:
        shop.end(), bank.end(), server.stop()


def admin(server, *arguments):
    done = subprocess.run([programs.opalined, "admin", "--socket", next(server.directory.rglob("*.sock")), "--json", "business", *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done
    return json.loads(done.stdout)


def case_checks(check, directory):
    """A business without a gateway yet is not written to; a business's own domain is asked on demand alone"""
    server, (anna,) = begin(directory, "Anna")
    none = admin(server, "create", "Nobody Yet", "--own-gateway")
    done = opaline(anna, "send", none["urn"], "anybody?").lines[0]
    check(done["error"] == "no_gateway" and "not set up its gateway" in done["message"], f"who has no gateway is not written to {done}")
    check(standing(anna, none["urn"])["standing"] == "looked_at" and not standing(anna, none["urn"])["pending"], "and hears nothing of it")
    shop = Business(server, directory, "Shop", "--website", "shop.localhost")
    try:
        check(opaline(anna, "business", "check", shop.urn, "--yes").lines[0]["error"] == "connect_failed", "a domain in a private network is not asked")
        check(opaline(anna, "business", "check", shop.urn).lines[0]["error"] == "refused", "nor any without a yes")
    finally:
        shop.end(), server.stop()


def case_devices(check, directory):
    """Two devices: the other one is told, joins at once when it is written from, and hears of closing"""
    server, (anna,) = begin(directory, "Anna")
    shop = Business(server, directory, "Shop")
    laptop = Person("Laptop", anna.handle, programs.opaline, server, directory)
    try:
        quietly(link, anna, laptop, lambda *_: None, "--name", "laptop")
        opaline(anna, "send", shop.urn, "from the phone")
        opaline(anna, "share", shop.urn, "name=Anna", "--yes")
        me = shop.got("from the phone")["from"]
        opaline(laptop, "receive")
        there = standing(laptop, shop.urn)
        check(there["standing"] == "open" and not there["here"], f"the laptop knows of it, and waits {there}")
        done = opaline(laptop, "send", shop.urn, "from the laptop")
        check(sent(done) and shop.got("from the laptop")["from"] == me, f"writing joins at once, as the same person {done}")
        check(standing(laptop, shop.urn)["here"], "it is in")
        opaline(anna, "receive")
        opaline(laptop, "receive")
        both = [sorted(line["text"] for line in opaline(who, "history", shop.urn).lines if line["event"] == "message") for who in (anna, laptop)]
        check(both[0] == both[1] and len(both[0]) == 3, f"both have the same conversation {both}")
        check(opaline(laptop, "shared").lines and opaline(laptop, "shared").lines[0]["fields"] == ["name"], "and know what was shared")
        shop.say(me, "to both")
        came = [opaline(who, "receive").texts for who in (anna, laptop)]
        check(came == [["to both"], []], f"what the business writes is new on one of them {came}")
        check(all("to both" in opaline(who, "history", shop.urn).texts for who in (anna, laptop)), "and comes to both")
        opaline(anna, "business", "close", shop.urn)
        opaline(laptop, "receive")
        check(standing(laptop, shop.urn)["standing"] == "closed" and not standing(laptop, shop.urn)["here"], f"closed on one is closed on both {standing(laptop, shop.urn)}")
        check(sent(opaline(laptop, "send", shop.urn, "open again")) and shop.got("open again")["from"] == me, "the other one opens it, as the same person")
        opaline(anna, "receive")
        check(standing(anna, shop.urn)["standing"] == "open", "the first one hears of it")
        check(sent(opaline(anna, "send", shop.urn, "me too")) and shop.got("me too")["from"] == me, "and joins")
        opaline(anna, "block", shop.urn)
        opaline(laptop, "receive")
        check(opaline(laptop, "send", shop.urn, "no").lines[0]["error"] == "blocked", "a block holds on both")
        opaline(laptop, "unblock", shop.urn)
        opaline(laptop, "delete", shop.urn, "--yes")
        opaline(anna, "receive")
        check(not opaline(anna, "history", shop.urn).texts, "deleted on one is deleted on both")
    finally:
        shop.end(), server.stop()


def case_kills(check, directory):
    """kill -9 in each step of opening, being new and closing: typed again, it is done once"""
    server, (anna,) = begin(directory, "Anna")
    shop = Business(server, directory, "Shop")
    try:
        for way in ("first", "again", "new"):
            for point in POINTS:
                text = f"{way} {point}"
                if way == "first":
                    shop.end()
                    shop = Business(server, directory, f"Shop {point}")
                if way != "first":
                    opaline(anna, "business", "close", shop.urn)
                before = standing(anna, shop.urn)
                arguments = ("business", "new", shop.urn) if way == "new" else ("send", shop.urn, text)
                killed = opaline(anna, *arguments, fault=f"client.persona_{point}")
                check(killed.code == -9, f"{text}: it dies there {killed}")
                check(sent(opaline(anna, "send", shop.urn, text)) and shop.got(text), f"{text}: then it is written")
                now = standing(anna, shop.urn)
                check(now["here"] and not now["pending"] and now["standing"] == "open", f"{text}: it is in {now}")
                if way == "again" and before and before.get("opaque_id"):
                    check(now["opaque_id"] == before["opaque_id"], f"{text}: under the same id")
                if way == "new":
                    check(now["opaque_id"] != before["opaque_id"], f"{text}: under another id")
        for point in POINTS:
            opaline(anna, "send", shop.urn, f"old {point}")
            old = shop.got(f"old {point}")
            check(opaline(anna, "business", "new", shop.urn, fault=f"client.persona_{point}").code == -9, f"new, then closed, {point}: it dies there")
            closed = opaline(anna, "business", "close", shop.urn)
            check(closed.code == 0 and not closed.lines[0]["pending"] and standing(anna, shop.urn)["standing"] == "closed", f"new, then closed, {point}: it is closed {closed}")
            refused = shop.say(old["from"], "still there?")
            check(shop.state(refused, (5,))["state"] == 5, f"new, then closed, {point}: the old id is worthless")
            check(sent(opaline(anna, "send", shop.urn, f"young {point}")) and shop.got(f"young {point}")["opaque_id"] != old["opaque_id"],
                  f"new, then closed, {point}: who writes again is another one")
        for point in ("closing", "closing:2", "closed"):
            me = shop.got("young opened")["from"]
            opaline(anna, "send", shop.urn, f"before {point}")
            check(opaline(anna, "business", "close", shop.urn, fault=f"client.persona_{point}").code == -9, f"{point}: it dies there")
            opaline(anna, "receive")
            now = standing(anna, shop.urn)
            check(now["standing"] == "closed" and not now["pending"] and not now["here"], f"{point}: then it is closed {now}")
            refused = shop.say(me, "too late")
            check(shop.state(refused, (5,))["reason"] == 10, f"{point}: for the business, too")
    finally:
        shop.end(), server.stop()


def case_follow(check, directory):
    """receive --follow has people and businesses; send goes through it; closing works without a connection"""
    server, (anna,) = begin(directory, "Anna")
    shop = Business(server, directory, "Shop")
    following = Following(anna)
    try:
        done = opaline(anna, "send", shop.urn, "hello")
        check(sent(done), f"through the one that follows {done}")
        me = shop.got("hello")["from"]
        shop.say(me, "yes?")
        wait_for("the answer", lambda: "yes?" in following.texts)
        check(True, "what the business writes is shown")
        closed, again = opaline(anna, "business", "close", shop.urn), opaline(anna, "send", shop.urn, "once more")
        check(closed.code == 0 and sent(again), f"closing borrows the home, and writing opens again {closed} {again}")
        check(shop.got("once more")["from"] == me, "it is the same person")
        shop.say(me, "still there")
        wait_for("the second answer", lambda: "still there" in following.texts)
        check(following.stop() == 0, "it ends well")
        done = opaline(anna, "business", "close", shop.urn, url="https://localhost:1")
        check(done.code == 0 and done.lines[0]["pending"] and standing(anna, shop.urn)["standing"] == "closed", f"without a connection it is closed here {done}")
        opaline(anna, "receive")
        check(not standing(anna, shop.urn)["pending"] and shop.wait(lambda line: line.get("kind") == CLOSE, "the close"), "and there, when it is reached")
    finally:
        shop.end(), server.stop()


CASES = {name.removeprefix("case_"): function for name, function in list(globals().items()) if name.startswith("case_")}


if __name__ == "__main__":
    check = Checks()
    for name in sys.argv[3:] or CASES:
        with tempfile.TemporaryDirectory(prefix="opaline-businesses-") as scratch:
            check.case(CASES[name], pathlib.Path(scratch))
    check.end()
