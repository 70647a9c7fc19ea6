"""A real Kannel with the fake carrier of kannel-extras, for the walkthrough and the system tests of short messages."""
import pathlib
import re
import socket
import subprocess
import threading

from walkthrough import wait_for

SOURCE = pathlib.Path(__file__).resolve().parents[1]
ROOT = pathlib.Path(subprocess.run([SOURCE / "tools" / "setup", "--print-prefix"], capture_output=True, text=True, check=True).stdout.strip()) / "kannel"
BEARERBOX, SMSBOX, CARRIER = (ROOT / "usr" / place for place in ("sbin/bearerbox", "sbin/smsbox", "lib/kannel/test/fakesmsc"))


def is_here():
    """Whether tools/setup could unpack it."""
    return CARRIER.exists()


class Kannel:
    """bearerbox, smsbox and a carrier, from packaging/kannel.conf: ports, passwords and places are all that is changed."""

    def __init__(self, directory):
        self.directory = directory
        directory.mkdir()
        self.ports = {name: free_port() for name in ("13000", "13001", "13013", "10000")}
        text = (SOURCE / "packaging" / "kannel.conf").read_text()
        for name, port in self.ports.items():
            text = re.sub(rf"^((?:admin|smsbox|bearerbox|sendsms)?-?port = ){name}$", rf"\g<1>{port}", text, flags=re.MULTILINE)
        self.secret = "a-path-that-nobody-guesses"
        self.ports["8448"] = free_port()  # of the role sms
        text = text.replace("/var/log/kannel", str(directory)).replace("CHANGE-ME-ADMIN", "admin").replace("CHANGE-ME-PATH", self.secret).replace("CHANGE-ME", "tell-nobody")
        text = text.replace("127.0.0.1:8448", f"127.0.0.1:{self.ports['8448']}").replace("http-queue-delay = 10", "http-queue-delay = 1")
        self.conf = directory / "kannel.conf"
        self.conf.write_text(text)
        self.password = directory / "password"
        self.password.write_text("tell-nobody\n")
        self.password.chmod(0o600)
        self.url = f"http://127.0.0.1:{self.ports['13013']}/cgi-bin/sendsms"
        self.arrived, self.processes, self.carrier = [], [], None

    def start(self, reply=None):
        """With a carrier, which brings this short message: (from, text)."""
        for box in (BEARERBOX, SMSBOX):
            with open(self.directory / f"{box.name}.out", "wb") as out:
                self.processes.append(subprocess.Popen([box, "-v", "4", self.conf], stdout=out, stderr=subprocess.STDOUT, cwd=self.directory))
            port = self.ports["13001" if box == BEARERBOX else "13013"]
            wait_for(f"{box.name} to listen", lambda: listens(port))
        self.brings(reply)

    def brings(self, reply=None):
        """The carrier goes and comes back; then it has this for us: (from, text)."""
        if self.carrier is not None:
            self.carrier.kill()
            self.carrier.wait()
        said = f"{reply[0]} 13013 text {reply[1]}" if reply else "4900000 13013 text unused"
        self.carrier = subprocess.Popen([CARRIER, "-H", "127.0.0.1", "-r", str(self.ports["10000"]), "-m", "1" if reply else "0", said], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        threading.Thread(target=self._collect, args=(self.carrier,), daemon=True).start()

    def _collect(self, carrier):
        for line in carrier.stdout:
            if found := re.search(r"Got message \d+: <(.*)>", line):
                self.arrived.append(found[1])

    def stop(self):
        for process in [self.carrier, *reversed(self.processes)]:
            process.kill()
            process.wait()
        self.processes = []

    def code_for(self, number):
        return next((found[1] for line in reversed(self.arrived) if number in line and (found := re.search(r"is[ +](\d{6})", line))), None)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
