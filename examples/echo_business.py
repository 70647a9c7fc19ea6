#!/usr/bin/env python3
"""A sample business: it answers whoever writes to it. Python's standard library alone.

    echo_business.py --api https://HOST:PORT --business UUID --msp-id ID --secret BASE64 [--port 9000] [--ca ca.pem]

Its webhook is http://127.0.0.1:PORT/message. It says what it got, and on these words in a text something more:
list, time, quick, form, sign in, link, app; a file comes back as it was. What is typed into it goes to who wrote last.
docs/business-api.md says what all of it means.
"""
import argparse
import base64
import gzip
import hashlib
import hmac
import http.server
import json
import signal
import ssl
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid

BID = ("com.apple.messages.MSMessageExtensionBalloonPlugin:0000000000:"
       "com.apple.icloud.apps.messages.business.extension")
DOT = base64.b64encode(bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000" "1f15c4890000000d49444154789c63f8cfc0f01f00050001ffa5d2c4a2"
    "0000000049454e44ae426082")).decode()


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(claims, secret):
    """A JWT (RFC 7519) with HS256."""
    head = b64url(b'{"alg":"HS256","typ":"JWT"}') + "." + b64url(json.dumps(claims).encode())
    return head + "." + b64url(hmac.new(base64.b64decode(secret), head.encode(), hashlib.sha256).digest())


def is_from_service(header, msp_id, secret):
    try:
        scheme, text = header.split(" ", 1)
        head, claims, signature = text.split(".")
        right = b64url(hmac.new(base64.b64decode(secret), f"{head}.{claims}".encode(), hashlib.sha256).digest())
        pad = lambda part: base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
        return (scheme == "Bearer" and hmac.compare_digest(right, signature)
                and json.loads(pad(head))["alg"] == "HS256" and json.loads(pad(claims))["aud"] == msp_id)
    except (ValueError, KeyError, AttributeError):
        return False


class Business:
    def __init__(self, options):
        self.options = options
        self.tls = ssl.create_default_context(cafile=options.ca) if options.api.startswith("https") else None
        self.seen = set()  # ids of webhooks: one that comes again is not answered again
        self.last = None  # who wrote last

    def call(self, method, path, body=None, **headers):
        """The answer's body; raises urllib.error.HTTPError."""
        request = urllib.request.Request(self.options.api + path, body, method=method)
        request.add_header("Authorization", "Bearer " + token(
            {"iss": self.options.msp_id, "iat": int(time.time())}, self.options.secret))
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), str(value))
        return urllib.request.urlopen(request, context=self.tls, timeout=30).read()

    def send(self, person, type="text", **fields):
        message = {"v": 1, "id": str(uuid.uuid4()), "type": type, "sourceId": self.options.business,
                   "destinationId": person, **fields}
        try:
            self.call("POST", "/v1/message", json.dumps(message).encode(), id=message["id"], auto_reply="true",
                      source_id=self.options.business, destination_id=person, Content_Type="application/json")
            print(f"sent {type}", flush=True)
        except urllib.error.HTTPError as error:
            print(f"not sent: {error.code} {error.read().decode()}", flush=True)

    def ask(self, person, title, received_style="icon", images=(), **data):
        self.send(person, "interactive", interactiveData={
            "bid": BID, "receivedMessage": {"title": title, "style": received_style},
            "data": {"version": "1.0", "requestIdentifier": str(uuid.uuid4()), "images": list(images), **data}})

    def answer(self, message, person):
        text = message.get("body", "")
        if message["type"] == "interactive":
            answer = message.get("interactiveData", {})
            chosen = answer.get("data", answer).get("replyMessage", answer.get("replyMessage", {})).get("title")
            # A long answer comes as a reference: preDownload and decodePayload open it, its title stands beside it.
            chosen = chosen or message.get("interactiveDataRef", {}).get("title") or text
            return self.send(person, body=f"You chose: {chosen}")
        if message.get("attachments"):
            # It goes back as it came: what it says and how it is opened is in the description.
            return self.send(person, body=text, attachments=[self.checked(one) for one in message["attachments"]])
        items = lambda *names: [{"identifier": name.lower(), "title": name, "order": i} for i, name in enumerate(names)]
        word = text.lower()
        if "list" in word:
            self.ask(person, "What would you like?", images=[{"identifier": "dot", "data": DOT, "description": "a dot"}],
                     listPicker={"sections": [
                         {"title": "Tea", "order": 0, "multipleSelection": True, "items": items("Green", "Black")},
                         {"title": "Cup", "order": 1, "multipleSelection": False, "items": items("Small", "Large")}]})
        elif "time" in word:
            day = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 86400))
            self.ask(person, "When?", event={"identifier": "visit", "title": "Your visit", "timezoneOffset": 60, "timeslots": [
                {"identifier": hour, "startTime": f"{day}T{hour}:00+0000", "duration": 1800} for hour in ("09", "10", "16")]})
        elif "quick" in word:
            self.send(person, "interactive", interactiveData={"bid": BID, "data": {
                "version": "1.0", "requestIdentifier": str(uuid.uuid4()),
                "quick-reply": {"summaryText": "Was that quick?", "items": items("Yes", "No")}}})
        elif "form" in word:
            self.ask(person, "A few questions", dynamic={"version": "1.2", "template": "messageForms", "data": {
                "startPageIdentifier": "name", "showSummary": True, "pages": [
                    {"pageIdentifier": "name", "type": "input", "title": "Your name", "nextPageIdentifier": "size",
                     "options": {"required": True, "inputType": "singleline", "maximumCharacterCount": 40}},
                    {"pageIdentifier": "size", "type": "select", "title": "Size", "multipleSelection": False,
                     "submitForm": True, "items": [{"identifier": "s", "title": "Small", "value": "s"},
                                                   {"identifier": "l", "title": "Large", "value": "l"}]}]}})
        elif "sign in" in word:
            self.ask(person, "Sign in", authenticate={"oauth2": {
                "responseType": "code", "scope": ["name"], "state": str(uuid.uuid4()), "redirectURI": "https://shop.example/back"}})
        elif "link" in word:
            self.send(person, "richLink", richLinkData={"url": "https://shop.example/tea", "title": "Our tea",
                                                        "assets": {"image": {"data": DOT, "mimeType": "image/png"}}})
        elif "app" in word:
            self.send(person, "interactive", interactiveData={
                "bid": BID.split(":")[0] + ":0123456789:example.shop.extension", "appName": "Shop",
                "URL": "https://shop.example/app?x=1", "receivedMessage": {"title": "Open it in our app", "style": "icon"}})
        else:
            self.send(person, body=f"You wrote: {text}")

    def checked(self, file):
        """Fetches the ciphertext and checks it; the description, to be sent again."""
        where = json.loads(self.call("GET", "/v1/preDownload", source_id=self.options.business, url=file["url"],
                                     owner=file["owner"], signature=file["signature-base64"]))["download-url"]
        sealed = urllib.request.urlopen(where, context=self.tls, timeout=60).read()
        good = len(sealed) == file["size"] and hashlib.sha256(sealed).hexdigest().upper() == file["signature"]
        print(f"file {file['name']}: {len(sealed)} bytes, {'right' if good else 'DAMAGED'}", flush=True)
        return file

    def take(self, headers, body):
        """The status that a webhook is answered with."""
        if not is_from_service(headers.get("Authorization", ""), self.options.msp_id, self.options.secret):
            return 403
        if headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        message = json.loads(body)
        self.last = headers["source-id"]
        print(f"got {message['type']} from {self.last}: {message.get('body', '')}", flush=True)
        if message["id"] not in self.seen and message["type"] in ("text", "interactive"):
            self.answer(message, self.last)
        self.seen.add(message["id"])
        return 200


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--api", "--business", "--msp-id", "--secret"):
        parser.add_argument(name, required=True)
    parser.add_argument("--port", type=int, default=9000)
    parser.add_argument("--ca", help="PEM of the authority behind the API's certificate")
    business = Business(parser.parse_args())

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(business.take(self.headers, body) if self.path == "/message" else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    def typed():
        try:
            for line in sys.stdin:
                if business.last is not None:
                    business.send(business.last, body=line.strip())
        except OSError:
            pass  # a background job has no keyboard

    signal.signal(signal.SIGTTIN, signal.SIG_IGN)
    threading.Thread(target=typed, daemon=True).start()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", business.options.port), Handler)
    print(f"listening on {server.server_address[1]}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        sys.exit(0)


if __name__ == "__main__":
    main()
