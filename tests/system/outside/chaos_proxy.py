"""A TCP proxy that treats its connections badly, each after its own plan."""
import socket
import struct
import threading


class Plan:
    """What happens to one connection. Bytes are counted in each direction from the beginning; None means never."""

    def __init__(self, cut_up=None, cut_down=None, stall_up=None, stall_down=None, close_up=None, close_down=None, piece=65536, reset=False):
        self.cut = {"up": cut_up, "down": cut_down}  # both directions end
        self.stall = {"up": stall_up, "down": stall_down}  # nothing more goes this way, and nothing is closed
        self.close = {"up": close_up, "down": close_down}  # this way ends in order, the other goes on
        self.piece, self.reset = piece, reset

    def __repr__(self):
        said = [f"{name} {way} at {at}" for name in ("cut", "stall", "close") for way, at in getattr(self, name).items() if at is not None]
        return ", ".join(said + ([f"pieces of {self.piece}"] if self.piece < 65536 else []) + (["reset"] if self.reset else [])) or "untouched"

    def limit(self, way):
        """(bytes until something happens this way, what)"""
        events = [(getattr(self, name)[way], name) for name in ("cut", "stall", "close") if getattr(self, name)[way] is not None]
        return min(events) if events else (None, None)


def random_plan(rng, reach=14000):
    """One of all kinds of trouble, somewhere in the first `reach` bytes (a whole short command)."""
    at, way = rng.randrange(reach), rng.choice(("up", "down"))
    kind = rng.choice(("cut", "cut", "cut", "close", "pieces"))
    piece = rng.choice((65536, 65536, 1, 7, 100))
    if kind == "pieces":
        return Plan(piece=rng.choice((1, 3, 17)))
    return Plan(**{f"{kind}_{way}": at}, piece=piece, reset=rng.random() < 0.5)


class ChaosProxy:
    def __init__(self, target_port):
        self.target_port = target_port
        self.plan = lambda: Plan()  # called once for each connection
        self.connections = 0
        self.open = set()
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"https://localhost:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            try:
                far = socket.create_connection(("127.0.0.1", self.target_port))
            except OSError:
                near.close()
                continue
            for each in (near, far):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.open |= {near, far}
            plan = self.plan()
            for way, source, sink in (("up", near, far), ("down", far, near)):
                threading.Thread(target=self._pump, args=(plan, way, source, sink), daemon=True).start()

    def _pump(self, plan, way, source, sink):
        left, what = plan.limit(way)
        try:
            while left is None or left > 0:
                data = source.recv(plan.piece if left is None else min(plan.piece, left))
                if not data:
                    break
                sink.sendall(data)
                left = None if left is None else left - len(data)
            if left == 0 and what == "stall":
                return  # the bytes that come stay in the socket's buffer
            if left == 0 and what == "cut":
                self.cut((source, sink), plan.reset)
                return
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            self.cut((source, sink), False)

    def cut(self, sockets, reset):
        for each in sockets:
            try:
                if reset:  # closing sends RST
                    each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                each.shutdown(socket.SHUT_RD if reset else socket.SHUT_RDWR)  # wakes the thread that reads
            except OSError:
                pass
            each.close()
            with self.lock:
                self.open.discard(each)

    def cut_all(self):
        with self.lock:
            sockets = list(self.open)
        self.cut(sockets, True)

    def close(self):
        self.listener.close()
        self.cut_all()
