"""No other interface reads the lookup log: all routes of all listeners, as the code lists them, with every kind of credential.

    python3 tests/system/routes_test.py DIR_WITH_PROGRAMS

The lists are src/server/routes.hpp (what is not on them is not served) and the gateway's own; a route that has no line below fails the test, and so does a line without a route. The calls of a device's
connection are walked by server_system (tests/system/lookup_log_test.cpp).
"""
import base64
import http.client
import json
import re
import socket
import ssl
import subprocess
import time

from records_test import World, opened
from support import SOURCE, opaline, run_cases

CANARY = "canary-7f3a@example.org"  # looked up, and nowhere else than in the log
FORMS = [CANARY.encode(), b"canary-7f3a", CANARY.encode().hex().encode(), base64.b64encode(CANARY.encode())[:-4], CANARY.replace("@", "%40").encode(),
         *[base64.b64encode(b"x" * shift + CANARY.encode())[4:-4] for shift in (1, 2)]]
OWNER, ADMIN, AUDITOR, OFFICER = "owner", "admin", "auditor", "officer"
ROLES = (OWNER, ADMIN, AUDITOR, OFFICER)

# Who may use a route of the operator listener, and with which body it is asked. What would change too much has a body that is refused after the role was looked at.
OPERATOR = {
    "GET /v1/admin/status": ((OWNER, ADMIN, AUDITOR, OFFICER), None),
    "GET /v1/admin/operators": ((OWNER, ADMIN, AUDITOR), None),
    "POST /v1/admin/operators": ((OWNER,), {"name": "x y", "role": "auditor"}),
    "POST /v1/admin/operators/*/tokens": ((OWNER,), {}),
    "POST /v1/admin/operators/*/revoke": ((OWNER,), {}),
    "GET /v1/admin/audit": ((OWNER, AUDITOR), None),
    "GET /v1/admin/audit/verify": ((OWNER, AUDITOR), None),
    "POST /v1/admin/reload": ((OWNER, ADMIN), {}),
    "POST /v1/admin/clock/confirm": ((OWNER, ADMIN), {}),
    "POST /v1/admin/backup/checkpoint": ((), {}),
    "GET /v1/admin/businesses": ((OWNER, ADMIN, AUDITOR), None),
    "POST /v1/admin/businesses": ((OWNER, ADMIN), {"name": 7}),
    "GET /v1/admin/businesses/*": ((OWNER, ADMIN, AUDITOR), None),
    "POST /v1/admin/businesses/*": ((OWNER, ADMIN), {}),
    "POST /v1/admin/businesses/*/rotate-secret": ((OWNER, ADMIN), {}),
    "POST /v1/admin/businesses/*/enrol": ((OWNER, ADMIN), {}),
    "POST /v1/admin/businesses/*/remove": ((OWNER, ADMIN), {}),
    "GET /v1/admin/gateway": ((), None),
    "POST /v1/admin/gateway/enrol": ((), {}),
    "GET /v1/records/service": ((OFFICER,), None),
    "GET /v1/records/officers": ((OFFICER,), None),
    "POST /v1/records/key": ((OFFICER,), {}),
    "GET /v1/records/cases": ((OFFICER,), None),
    "POST /v1/records/cases": ((OFFICER,), {}),
    "GET /v1/records/cases/*": ((OFFICER,), None),
    "GET /v1/records/cases/*/preview": ((OFFICER,), None),
    "POST /v1/records/cases/*/approve": ((OFFICER,), {}),
    "POST /v1/records/cases/*/narrow": ((OFFICER,), {}),
    "POST /v1/records/cases/*/refuse": ((OFFICER,), {}),
    "POST /v1/records/cases/*/close": ((OFFICER,), {}),
    "POST /v1/records/cases/*/renew": ((OFFICER,), {}),
    "POST /v1/records/cases/*/end": ((OFFICER,), {}),
    "POST /v1/records/cases/*/answer": ((OFFICER,), {}),
    "POST /v1/records/cases/*/notify": ((OFFICER,), {}),
    "GET /v1/records/cases/*/productions/*": ((OFFICER,), None),
    "GET /v1/records/cases/*/productions/*/pieces/*": ((OFFICER,), None),
    "GET /v1/records/report": ((OFFICER,), None),
    "GET /v1/records/ledger/verify": ((OWNER, AUDITOR, OFFICER), None),
}
PUBLIC = {"GET /v1/device", "POST /v1/registration/start", "POST /v1/registration/check", "POST /v1/registration/complete", "POST /v1/link/open", "POST /v1/link/turn",
          "POST /v1/recovery/start", "POST /v1/recovery/open", "POST /v1/recovery/complete", "PUT /v1/blobs/*", "GET /v1/blobs/*", "DELETE /v1/blobs/*",
          "GET /v1/blobs/*/offset", "POST /v1/blobs/*/release", "POST /v1/blobs/*/releases", "GET /v1/ledger", "GET /v1/ledger/heads", "GET /v1/ledger/consistency",
          "GET /healthz", "GET /readyz"}
METRICS = {"GET /metrics", "GET /healthz", "GET /readyz"}


def routes_in_code(name):
    text = (SOURCE / "src/server/routes.hpp").read_text()
    part = text[text.index(name + " = "):]
    return {" ".join(pair) for pair in re.findall(r'\{"(\w+)", "([^"]+)"\}', part[:part.index("});")])}


class Walker:
    def __init__(self, check, world):
        self.check, self.world, self.asked, self.seen = check, world, 0, 0

    def connection(self, listener):
        server = self.world.server
        if listener == "socket":
            out = http.client.HTTPConnection("localhost")
            out.sock = socket.socket(socket.AF_UNIX)
            out.sock.connect(str(server.directory / "admin.sock"))
            return out
        if listener == "public":
            return http.client.HTTPSConnection("localhost", server.ports["public"], context=ssl.create_default_context(cafile=server.directory / "ca.pem"), timeout=30)
        return http.client.HTTPConnection("127.0.0.1", server.ports[listener], timeout=30)

    def ask(self, listener, method, path, body=None, token=None):
        """(status, body); whatever comes is searched for what is in the log."""
        connection = self.connection(listener)
        connection.request(method, path, body=json.dumps(body) if body is not None else None, headers={"Authorization": f"Bearer {token}"} if token else {})
        answer = connection.getresponse()
        whole = answer.read() + str(answer.getheaders()).encode()
        connection.close()
        self.asked += 1
        if any(form in whole for form in FORMS):
            self.check(False, f"{listener} {method} {path} tells what is in the log: {whole[:300]}")
        return answer.status, whole

    def denied(self):
        """Refusals in the audit trail since the last time that they were asked for: operators' names."""
        out = []
        while entries := self.page(self.seen):
            out += [entry["operator"] for entry in entries if entry["outcome"] == "denied"]
            self.seen = entries[-1]["sequence"]
        return out

    def page(self, after):
        connection = self.connection("socket")
        connection.request("GET", f"/v1/admin/audit?after={after}&limit=1000")
        entries = json.loads(connection.getresponse().read())["entries"]
        connection.close()
        return entries


def filled(pattern, case):
    """A pattern's path, for the things that are there."""
    path = pattern
    for front, thing in (("/v1/records/cases/", case), ("/v1/admin/businesses/", "01234567-89ab-4def-8123-456789abcdef"), ("/v1/admin/operators/", "no-such-operator"),
                         ("/v1/blobs/", "A" * 43)):
        if path.startswith(front + "*"):
            path = path.replace("*", thing, 1)
    return path.replace("productions/*", "productions/1").replace("pieces/*", "pieces/0") + ("?period=2026H2" if path.endswith("/report") else "")


def prepared(world):
    """A case with a production that has the canary in it; people of all roles, one officer without a key, and one who was revoked."""
    opaline(world.anna, "send", CANARY, "are you there?")
    time.sleep(1.1)
    case = opened(world.vera)
    for officer in (world.vera, world.wim):
        if officer("case", "approve", case).returncode != 0:
            raise RuntimeError("the case could not be approved")
    tokens = {role: world.admin("operator", "create", f"a-{role}", "--role", role)["token"] for role in ROLES}
    revoked = world.admin("operator", "create", "gone", "--role", "officer")["token"]
    world.admin("operator", "revoke", "gone")
    return case, tokens, {"a revoked officer": revoked, "an invented token": "opaline_op_" + "A" * 43, "no token": None}


def lists(check, world):
    """Every route of the code has its line here, and every line its route"""
    for name, lines in (("kPublicRoutes", PUBLIC), ("kOperatorRoutes", set(OPERATOR)), ("kMetricsRoutes", METRICS)):
        code = routes_in_code(name)
        check(code == lines and len(code) >= 3, f"{name}: {len(code)} routes; only in the code: {sorted(code - lines)}; only here: {sorted(lines - code)}")


def walk(check, world):
    """All of them, by everybody: entries come out by an approved case and to their own device alone"""
    case, tokens, strangers = prepared(world)
    walker = Walker(check, world)
    own = opaline(world.anna, "my-lookups")
    check(CANARY in json.dumps(own.lines), "who asked sees it: the entry is in the log")
    check(CANARY not in json.dumps(opaline(world.ben, "my-lookups").lines), "nobody else does")
    folder = world.scratch / "canary"
    check(world.vera("produce", case, "--folder", folder).returncode == 0 and CANARY in (folder / "lookups.csv").read_text(), "an approved case has it, opened with an officer's key")

    for route, (may, body) in OPERATOR.items():
        method, pattern = route.split()
        path = filled(pattern, case)
        for who, token in strangers.items():
            status, _ = walker.ask("operator", method, path, body, token)
            if status != 401:
                check(False, f"{route} answers {who} with {status}")
        for role, token in tokens.items():
            walker.denied()
            status, told = walker.ask("operator", method, path, body, token)
            refusals = walker.denied()
            if (status in (401, 403)) != (role not in may):
                check(False, f"{route} answers an {role} with {status}: {told[:200]}")
            if status == 403 and refusals != [f"a-{role}"]:
                check(False, f"{route} refused an {role}, and the trail has {refusals}")
        status, _ = walker.ask("socket", method, path, body)
        refusals = walker.denied()
        if pattern.startswith("/v1/records/"):
            check(status == 403 and len(refusals) == 1, f"not on the admin socket, and recorded: {route} {status} {refusals}")
    for pattern in ("/v1/records/log", "/v1/records/lookups", "/v1/lookups", "/v1/admin/lookups", "/v1/admin/log", "/v1/log", "/"):
        for listener, token in (("operator", tokens[OWNER]), ("operator", tokens[OFFICER]), ("socket", None), ("public", None), ("metrics", None)):
            status, _ = walker.ask(listener, "GET", pattern, token=token)
            if status not in (403, 404):
                check(False, f"{listener} has something at {pattern}: {status}")

    for listener, routes in (("public", PUBLIC), ("metrics", METRICS)):
        for route in sorted(routes):
            method, pattern = route.split()
            for token in (None, *tokens.values()):
                for other in {method, "GET", "POST"}:
                    walker.ask(listener, other, filled(pattern, case), {} if other in ("POST", "PUT") else None, token)
    check(walker.asked > 500, f"{walker.asked} requests, and no answer had what is in the log")
    trail = json.dumps([entry for after in range(0, 3000, 1000) for entry in walker.page(after)])
    check(CANARY not in trail, "nor has the audit trail")
    shown = world.vera("case", "show", case)
    check(CANARY not in shown.stdout, "nor what is recorded of the case")
    check("canary" not in world.server.log.name and CANARY.encode() not in open(world.server.log.name, "rb").read(), "nor the server's log")


if __name__ == "__main__":
    run_cases("routes", {"lists": lists, "walk": walk}, lambda programs, scratch: [World(programs, scratch)])
