"""A person at a terminal: a program on a pseudo terminal, what it shows, and what is typed."""
import os
import pty
import re
import select
import signal
import time

HANG_SECONDS = 60


class Terminal:
    def __init__(self, command):
        self.text, self.read_to, self.status = "", 0, None
        self.process, self.descriptor = pty.fork()
        if self.process == 0:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell starts what runs in its background without
            os.execv(command[0], command)

    def _more(self, seconds):
        """Reads what comes; False at the end or when nothing came in time."""
        if not select.select([self.descriptor], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.descriptor, 4096)
        except OSError:  # the other side is closed
            return False
        self.text += data.decode(errors="replace")
        return bool(data)

    def expect(self, question):
        """Waits until the program has asked, after what was read before."""
        end = time.monotonic() + HANG_SECONDS
        while not (found := re.search(re.escape(question), self.text[self.read_to:])):
            if not self._more(end - time.monotonic() if end > time.monotonic() else 0):
                raise RuntimeError(f"waited for '{question}', there is: {self.text!r}")
        self.read_to += found.end()

    def answer(self, question, line):
        self.expect(question)
        os.write(self.descriptor, line.encode() + b"\n")

    def interrupt(self):
        """Ctrl-C, as the terminal sends it."""
        os.write(self.descriptor, b"\x03")

    def end(self):
        """The exit code; negative: the signal that ended it."""
        end = time.monotonic() + HANG_SECONDS
        while self._more(max(0, end - time.monotonic())):
            pass
        if time.monotonic() > end:
            os.kill(self.process, signal.SIGKILL)
        status = os.waitpid(self.process, 0)[1]
        os.close(self.descriptor)
        return os.waitstatus_to_exitcode(status)
