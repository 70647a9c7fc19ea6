"""kill -9 of the gateway at each step of a relay, both ways: nothing is lost, each person's messages come in order, and what comes twice has one id.

    python3 tests/system/gateway_kill_test.py DIR_WITH_PROGRAMS [POINT ...]
"""
import os
import pathlib
import re
import sys
import tempfile
import threading
import uuid

from business_test import World
from support import Checks, Programs, SOURCE, opaline, wait_for

POINTS = re.findall(r'^\s+"((?:gateway|journal)\.\w+)",', (SOURCE / "src/base/fault_point.hpp").read_text(), re.MULTILINE)
PASSES = (1, 2, 3, 5)  # the first, and those with something before them


def first_of_each(messages):
    """What the software has taken, without what came again: (id, text)."""
    return list(dict.fromkeys((m["id"], m.get("body")) for m in messages))


class Play:
    """Anna writes, the shop answers from inside its webhook handler and writes by itself. The gateway dies at `fault`, once."""

    def __init__(self, world, fault):
        self.world, self.fault = world, fault
        self.shop, self.anna = world.shop, world.anna
        self.shop.answers, self.shop.got, self.died = False, [], False

    def post(self, person, text):
        """As software does that got no answer: the same id again, until it hears 200."""
        message_id = str(uuid.uuid4())

        def accepted():
            try:
                return self.shop.post(person, text, message_id)[0] == 200
            except OSError:  # nobody listens, or the connection was cut
                return False
        wait_for(f"the API to take '{text}'", accepted)

    def watch(self):
        """Starts the gateway again when it has died, without the fault."""
        process = self.world.gateway.process
        self.died = process.wait() == -9
        if self.died:
            self.world.restart_gateway()

    def run(self):
        world, shop, anna = self.world, self.shop, self.anna
        prefix = f"{self.fault} {uuid.uuid4().hex[:6]}"
        wrote = [f"{prefix} {i}" for i in range(4)]
        answers = [f"{prefix} answer {i}" for i in range(3)]
        person = world.person
        os.environ["OPALINE_FAULT"] = self.fault
        try:
            world.restart_gateway()
        except RuntimeError:  # it came that far before it said that it listens
            self.died = True
        finally:
            del os.environ["OPALINE_FAULT"]
        if self.died:
            world.restart_gateway()
        watcher = threading.Thread(target=(lambda: None) if self.died else self.watch, daemon=True)
        watcher.start()
        problems, heard = [], []
        for i, text in enumerate(wrote):
            if opaline(anna, "send", shop.urn, text).code != 0:
                problems.append(f"'{text}' was not taken by the service")
            if i == 0:
                shop.heard(text)
            if i < len(answers):
                self.post(person, answers[i])
        for text in wrote:
            shop.heard(text)
        wait_for("Anna to have all answers", lambda: heard.extend(opaline(anna, "receive").texts) or set(answers) <= set(heard))
        if not self.died and world.gateway.process.poll() is None:
            world.gateway.process.terminate()
        watcher.join()
        mine = [m for m in shop.got if (m.get("body") or "").startswith(prefix)]
        if [text for _, text in first_of_each(mine)] != wrote:  # one id each, in their order
            problems.append(f"Anna wrote {wrote}, the shop has {first_of_each(mine)}")
        if len(mine) > len(wrote) + 1:
            problems.append(f"{len(mine) - len(wrote)} came again, by one death")
        if heard.count(answers[0]) != 1 or [t for t in heard if t in answers] != answers:
            problems.append(f"the shop wrote {answers}, Anna heard {heard}")
        shown = [line["text"] for line in opaline(anna, "history", shop.urn, "--limit", "1000").lines if line.get("text", "").startswith(prefix)]
        if sorted(shown) != sorted(wrote + answers):
            problems.append(f"Anna's history has {shown}")
        return problems


def main():
    check, programs = Checks(), Programs(sys.argv[1])
    reached = set()
    with tempfile.TemporaryDirectory(prefix="opaline-gateway-kill-") as scratch:
        world = World(programs, pathlib.Path(scratch) / "world")
        world.shop.answers = False
        opaline(world.anna, "send", world.shop.urn, "hello")
        world.person = world.shop.heard("hello")["person"]
        world.gateway.stop()
        points = sys.argv[2:] or POINTS
        for point in points:
            for nth in PASSES:
                play = Play(world, f"{point}:{nth}")
                try:
                    problems = play.run()
                except (TimeoutError, RuntimeError) as lost:
                    check(False, f"{point}:{nth}: {lost}")
                    check.end()
                if play.died:
                    reached.add(point)
                    world.gateway.stop()
                check(not problems, f"{point}:{nth}: {'killed' if play.died else 'not reached'}" + "".join(f"\n     {one}" for one in problems))
        for point in points:
            check(point in reached, f"{point} was reached")
    check.end()


if __name__ == "__main__":
    main()
