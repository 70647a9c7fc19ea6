"""Hostile bytes at the public port while two people talk: the server answers with an error or hangs up, and stays small.

    python3 tests/system/outside/hostile_test.py DIR_WITH_PROGRAMS [--sanitized]
"""
import base64
import concurrent.futures
import os
import pathlib
import select
import socket
import ssl
import struct
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))  # support
from support import WENT_OUT, Checks, Following, Programs, Server, history, opaline, people, tls, wait_for  # noqa: E402

SLOW_CONNECTIONS = 300
SILENCE_SECONDS = 40  # bounds a hang: each limit of the server that applies here is at most 30 s
SANITIZED = 8 if "--sanitized" in sys.argv else 1  # such programs take several times the memory
MEMORY_BOUND_KB = SANITIZED * 256 << 10  # of the whole server after the attacks; a healthy one stays far below


class World:
    def __init__(self, programs, scratch):
        self.server = Server(programs.opalined, scratch / "server", True)
        self.anna, self.ben = people(programs, self.server, scratch, "Anna", "Ben")
        self.number = 0

    def memory_kb(self):
        for line in pathlib.Path(f"/proc/{self.server.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise RuntimeError("the server is gone")

    def honest(self, check, when):
        """An honest message goes through."""
        self.number += 1
        text = f"in spite of it {self.number}"
        sent = opaline(self.anna, "send", self.ben.handle, text)
        got = opaline(self.ben, "receive")
        check(sent.state == "sent" and text in got.texts, f"{when}: an honest message goes through" + ("" if got.code == 0 else f": {sent} {got}"))

    def plain(self):
        return socket.create_connection(("127.0.0.1", self.server.ports["public"]), timeout=SILENCE_SECONDS)

    def ended(self, connection):
        """What the server said before it hung up; None if it did not hang up."""
        said = b""
        try:
            while data := connection.recv(65536):
                said += data
        except TimeoutError:
            return None
        except OSError:
            pass
        finally:
            connection.close()
        return said


def garbage(check, world):
    """Garbage instead of TLS, half a handshake, old TLS."""
    for what, data in (("zeros", bytes(5000)), ("random bytes", os.urandom(5000)), ("plain HTTP", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
                       ("a TLS record of the largest length", b"\x16\x03\x01\xff\xff" + os.urandom(70000)),
                       ("an alert before anything", b"\x15\x03\x01\x00\x02\x02\x28"), ("another protocol", b"SSH-2.0-OpenSSH_9.2p1\r\n" * 50)):
        connection = world.plain()
        try:
            connection.sendall(data)
        except OSError:
            pass  # it hung up before the end
        check(world.ended(connection) is not None, f"{what}: the server hangs up")
    for version in (ssl.TLSVersion.TLSv1_2,):
        try:
            tls(world.server, (version, version)).close()
            check(False, "TLS 1.2 is refused")
        except (ssl.SSLError, ConnectionError) as refusal:
            check(True, f"TLS 1.2 is refused: {getattr(refusal, 'reason', refusal)}")
    world.honest(check, "after garbage")


def http(check, world):
    """HTTP that is malformed, endless or not for this port."""
    huge = b"X: " + b"a" * 100 + b"\r\n"
    for what, data, statuses in (
            ("an unknown path", b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n", (404,)),
            ("a body without end", b"POST /v1/registration/start HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n", (400, 413)),
            ("a negative length", b"POST /v1/registration/start HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", (400,)),
            ("two lengths", b"POST /v1/registration/start HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", (400,)),
            ("length and chunks", b"POST /v1/registration/start HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", (400,)),
            ("a chunk of 2^64", b"POST /v1/registration/start HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", (400, 411, 413, 501)),
            ("headers without end", b"GET / HTTP/1.1\r\n" + huge * 5000, (400, 413, 431)),
            ("one header without end", b"GET / HTTP/1.1\r\nX: " + b"a" * 500000, (400, 413, 431)),
            ("a path without end", b"GET /" + b"a" * 500000, (400, 413, 414, 431)),
            ("no HTTP at all", b"\x00\x01\x02\x03" * 1000 + b"\r\n\r\n", (400,)),
            ("bytes that are no protobuf", b"POST /v1/registration/start HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\nConnection: close\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff", (400,)),
            ("another method", b"TRACE /v1/registration/start HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", (404, 405, 501)),
            ("a WebSocket of another version", b"GET /v1/device HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 8\r\n\r\n", (400, 426)),
            ("a WebSocket without a key", b"GET /v1/device HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n", (400, 426))):
        connection = tls(world.server, timeout=SILENCE_SECONDS)
        try:
            connection.sendall(data)
        except OSError:
            pass
        connection.settimeout(SILENCE_SECONDS)
        answer = b""
        try:
            answer = connection.recv(65536)
        except OSError:
            pass
        connection.close()
        status = int(answer.split(b" ")[1]) if answer.startswith(b"HTTP/1.1 ") else None
        check(status in statuses or (status is None and len(data) > 100000), f"{what}: {status or 'the connection is closed'}")
    world.honest(check, "after bad HTTP")


def websocket(world):
    """A WebSocket to /v1/device up to the server's HELLO."""
    connection = tls(world.server, timeout=SILENCE_SECONDS)
    key = base64.b64encode(os.urandom(16)).decode()
    connection.sendall((f"GET /v1/device HTTP/1.1\r\nHost: localhost:{world.server.ports['public']}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n").encode())
    said = b""
    while b"\r\n\r\n" not in said or len(said.split(b"\r\n\r\n", 1)[1]) < 10:
        data = connection.recv(65536)
        if not data:
            raise RuntimeError(f"no WebSocket: {said}")
        said += data
    return connection


def frame(opcode, payload, fin=True, masked=True, reserved=0, length=None):
    size = len(payload) if length is None else length
    head = bytes([(0x80 if fin else 0) | reserved << 4 | opcode])
    mark = 0x80 if masked else 0
    head += bytes([mark | size]) if size < 126 else bytes([mark | 126]) + struct.pack(">H", size) if size < 65536 else bytes([mark | 127]) + struct.pack(">Q", size)
    return head + (bytes(4) if masked else b"") + payload


def frames(check, world):
    """WebSocket frames that break RFC 6455, and batches that break the device API."""
    auth = b"\x02" + struct.pack(">I", 3396)[1:] + struct.pack(">H", 1) + bytes(16) + struct.pack(">I", 1) + b"\x01" + bytes(3373)
    cases = (
            ("an unmasked frame", frame(2, b"\x02\x00\x00\x00", masked=False)),
            ("an unknown opcode", frame(5, b"x")),
            ("a control frame of 200 bytes", frame(9, bytes(200))),
            ("a control frame in pieces", frame(9, b"x", fin=False)),
            ("reserved bits", frame(2, b"x", reserved=4)),
            ("a message of 2^62 bytes", frame(2, b"x" * 100, length=1 << 62)),
            ("a message of 70,000 bytes", frame(2, bytes(70000))),
            ("a text message", frame(1, b"hello")),
            ("a continuation of nothing", frame(0, b"x")),
            ("pieces without end", frame(2, bytes(30000), fin=False) + frame(0, bytes(30000), fin=False) + frame(0, bytes(30000), fin=False)),
            ("a close frame of one byte", frame(8, b"x")),
            ("an empty batch", frame(2, b"")),
            ("an unknown frame type", frame(2, b"\xee\x00\x00\x01x")),
            ("a frame longer than its batch", frame(2, b"\x02\xff\xff\xffx")),
            ("SUBMIT before AUTH", frame(2, b"\x11\x00\x00\x14" + bytes(20))),
            ("a server's frame", frame(2, b"\x03\x00\x00\x20" + bytes(32))),
            ("AUTH with a signature of zeros", frame(2, auth)),
            ("a thousand pings, then junk", frame(9, b"ping") * 1000 + b"\xff" * 100))

    def attack(case):
        what, data = case
        connection = websocket(world)
        try:
            connection.sendall(data)
        except OSError:
            pass
        check(world.ended(connection) is not None, f"{what}: the server ends the connection")

    with concurrent.futures.ThreadPoolExecutor(len(cases)) as pool:
        list(pool.map(attack, cases))
    world.honest(check, "after bad frames")


def slow(check, world):
    """300 connections that dribble or say nothing, while a conversation goes on; all are freed by the server."""
    before = world.memory_kb()
    sees = Following(world.ben)
    connections = []
    for number in range(SLOW_CONNECTIONS):
        kind = number % 3
        if kind == 0:  # nothing but a TCP connection
            connections.append(world.plain())
        elif kind == 1:  # half a request
            connections.append(tls(world.server))
            connections[-1].sendall(b"GET /healthz HTTP/1.1\r\nHost: loc")
        else:  # half a TLS handshake
            connections.append(world.plain())
            connections[-1].sendall(b"\x16\x03\x01\x02\x00\x01")
    device = websocket(world)  # a WebSocket that never says AUTH
    connections.append(device)
    check(world.server.metric("opaline_public_connections") >= SLOW_CONNECTIONS, f"{len(connections)} slow connections are open")
    wrote = []
    left = set(connections)
    freed_by_server = went_out = 0

    def drip():
        """One byte more for each, and away with those that the server has closed."""
        nonlocal freed_by_server
        for each in list(left):
            try:
                readable, _, _ = select.select([each], [], [], 0)
                if readable and not each.recv(65536):
                    raise ConnectionError
                if each is not device:
                    each.send(b"a")
            except (OSError, ValueError):
                left.discard(each)
                each.close()
                freed_by_server += 1
        return not left

    for number in range(10):
        drip()
        wrote.append(f"while they dribble {number}")
        went_out += opaline(world.anna, "send", world.ben.handle, wrote[-1]).state in WENT_OUT
    wait_for("Ben to see the last message", lambda: wrote[-1] in sees.texts, 20)
    check(went_out == len(wrote) and [text for text in sees.texts if text in wrote] == wrote, f"meanwhile {len(wrote)} messages of a conversation went through, in order and once")
    during = world.memory_kb()
    wait_for("the server to free them all", drip, 120)
    check(freed_by_server == len(connections), f"the server freed all {freed_by_server}, though each sent a byte now and then")
    wait_for("only Ben to be connected", lambda: world.server.metric("opaline_public_connections") <= 1)
    check(sees.stop() == 0, "Ben leaves in good order")
    check(during - before < SANITIZED * 64 << 10, f"memory grew by {(during - before) >> 10} MiB under {SLOW_CONNECTIONS} connections")


def after(check, world):
    """Afterwards the server is as it was: nobody lost anything, it is small, and it ends in order."""
    world.honest(check, "afterwards")
    wrote = history(world.anna, "out")
    check(history(world.ben, "in") == wrote, f"Ben has all {len(wrote)} of Anna's messages, in order and once")
    memory = world.memory_kb()
    check(memory < MEMORY_BOUND_KB, f"the server's memory is {memory >> 10} MiB")
    log = pathlib.Path(world.server.log.name).read_text()
    check("assertion" not in log.lower() and '"level":"error"' not in log, "no error in its log")
    check(world.server.stop() == 0, "the server shuts down cleanly")


def main():
    check = Checks()
    with tempfile.TemporaryDirectory(prefix="opaline-hostile-") as scratch:
        world = World(Programs(sys.argv[1]), pathlib.Path(scratch))
        for case in (garbage, http, frames, slow, after):
            check.case(case, world)
    check.end()


if __name__ == "__main__":
    main()
