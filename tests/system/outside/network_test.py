"""Attacks from the network: a bad network between real clients and the server, and hostile bytes at the public port.

    python3 tests/system/outside/network_test.py DIR_WITH_PROGRAMS [CASE ...]
"""
import concurrent.futures
import pathlib
import random
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))  # support
from chaos_proxy import ChaosProxy, Plan, random_plan  # noqa: E402
from support import WENT_OUT, Following, Server, history, opaline, people, run_cases, settle, wait_for  # noqa: E402

SEED = 20261122
ROUNDS = 24


class World:
    def __init__(self, programs, scratch, name, *names):
        self.directory = scratch / name
        self.directory.mkdir()
        self.server = Server(programs.opalined, self.directory / "server", True)
        self.people = people(programs, self.server, self.directory, *names)


def exactly_once(check, writer, reader, promised):
    """After everything was fetched: the reader has what the writer wrote, in order and once."""
    wrote, got = history(writer, "out"), history(reader, "in")
    lost = [text for text in promised if text not in got]
    check(not lost, f"{len(promised)} of {writer.name}'s messages were `sent` on the way, {len(lost)} of them lost {lost}")
    check(got == wrote, f"{reader.name} has each of {writer.name}'s {len(wrote)} messages once and in order" + ("" if got == wrote else f": {wrote} became {got}"))


def chaos(check, programs, scratch):
    """A network that cuts, closes by half and dribbles: commands end, and nothing is lost, doubled or reordered."""
    world = World(programs, scratch, "chaos", "Anna", "Ben")
    anna, ben = world.people
    rng = random.Random(SEED)
    proxy = ChaosProxy(world.server.ports["public"])
    promised = {anna: [], ben: []}
    ended = troubled = 0
    for number in range(ROUNDS):
        writer, reader = (anna, ben) if rng.random() < 0.6 else (ben, anna)
        for person, arguments in ((writer, ("send", reader.handle, f"{writer.name} {number}", "--wait", "2")), (reader, ("receive", "--wait", "2"))):
            plan = random_plan(rng)
            proxy.plan = lambda plan=plan: plan
            done = opaline(person, *arguments, url=proxy.url)
            ended += done.ended_well
            troubled += done.code != 0
            if not done.ended_well:
                check(False, f"round {number}, {plan}: {person.name}: {' '.join(arguments)}: {done}")
            if done.state in WENT_OUT:
                promised[writer].append(f"{writer.name} {number}")
    check(ended == 2 * ROUNDS, f"{2 * ROUNDS} commands ended with a clear answer ({troubled} of them had to say that something is not done)")
    check(troubled > ROUNDS // 4, f"the network was bad enough to be noticed: {proxy.connections} connections")
    settle((anna, ben), (anna, ben))
    exactly_once(check, anna, ben, promised[anna])
    exactly_once(check, ben, anna, promised[ben])
    proxy.close()
    check(world.server.stop() == 0, "the server shuts down cleanly")


def stalls(check, programs, scratch):
    """A network that falls silent without closing: each command ends within the time it was given."""
    world = World(programs, scratch, "stalls", "Anna", "Carl", "Dora", "Emil", "Fred", "Ben")
    *writers, ben = world.people
    for each in writers:
        opaline(each, "send", ben.handle, "before")
    plans = (("up", 0), ("down", 0), ("down", 3000), ("up", 7000), ("down", 6000))

    def write(writer, way, at):
        proxy = ChaosProxy(world.server.ports["public"])
        proxy.plan = lambda: Plan(**{f"stall_{way}": at})
        begun = time.monotonic()
        done = opaline(writer, "send", ben.handle, "into the silence", "--wait", "2", url=proxy.url, within=60)
        check(done.code in (0, 3), f"stall {way} at {at}: `send` ended after {time.monotonic() - begun:.0f} s: {done.state or done}")
        proxy.close()
        return done.state in WENT_OUT

    with concurrent.futures.ThreadPoolExecutor() as pool:
        went_out = list(pool.map(lambda each: write(each[0], *each[1]), zip(writers, plans)))
    settle(writers, (ben,))
    for writer, sent in zip(writers, went_out):
        got = history(ben, "in", peer=writer.handle)
        check(got == ["before", "into the silence"], f"Ben has what {writer.name} wrote ({'sent' if sent else 'queued'} at first): {got}")
    check(world.server.stop() == 0, "the server shuts down cleanly")


def following(check, programs, scratch):
    """Somebody who stays connected through a network that keeps cutting sees each message once, in order."""
    world = World(programs, scratch, "following", "Anna", "Ben")
    anna, ben = world.people
    proxy = ChaosProxy(world.server.ports["public"])
    rng = random.Random(SEED + 1)
    proxy.plan = lambda: Plan(cut_down=rng.randrange(7000, 25000), piece=rng.choice((1, 50, 65536)), reset=rng.random() < 0.5)
    sees = Following(ben, proxy.url)
    wait_for("Ben to be connected", lambda: world.server.metric("opaline_device_connections") >= 1)
    wrote = [f"through the storm {i} " + "~" * rng.randrange(1500) for i in range(40)]
    ended = 0
    for number, text in enumerate(wrote):
        if number % 8 == 7:
            before = proxy.connections
            proxy.cut_all()
            wait_for("Ben to connect again", lambda: proxy.connections > before)
        ended += opaline(anna, "send", ben.handle, text, "--wait", "5").ended_well
    check(ended == len(wrote), f"{ended} of {len(wrote)} messages were taken")
    proxy.plan = Plan
    proxy.cut_all()
    wait_for("Ben to see the last message", lambda: wrote[-1] in sees.texts)
    check(sees.texts == wrote and proxy.connections > 3, f"Ben saw {len(sees.texts)} messages through {proxy.connections} connections, each once and in order")
    lookups = world.server.metric('opaline_lookups_total{kind="charged"}')
    # Each cut may come between a look-up and its answer; what must not be is one for each message.
    check(lookups <= 2 + proxy.connections, f"for a conversation of two over {proxy.connections} connections, {lookups} look-ups were charged")
    check(sees.stop() == 0, "and left in good order")
    proxy.close()
    check(world.server.stop() == 0, "the server shuts down cleanly")


def stranger(check, programs, scratch):
    """A stranger's many messages over connections that are cut: shown soon after the network is well, for one look-up."""
    world = World(programs, scratch, "stranger", "Anna", "Ben")
    anna, ben = world.people
    rng = random.Random(SEED + 2)
    wrote = [f"you do not know me {i} " + "~" * rng.randrange(1500) for i in range(40)]
    for text in wrote:
        opaline(anna, "send", ben.handle, text)
    lookups = world.server.metric('opaline_lookups_total{kind="charged"}')
    proxy = ChaosProxy(world.server.ports["public"])
    plans = [Plan(cut_down=at, piece=50) for at in (9000, 12000, 14000, 22000, 60000)]
    proxy.plan = lambda: plans.pop(0) if plans else Plan()
    sees = Following(ben, proxy.url)
    wait_for("Ben to see the last message", lambda: wrote[-1] in sees.texts)
    check(sees.texts == wrote, f"Ben has {len(sees.texts)} messages, each once and in order")
    check(sees.stop() == 0, "and left in good order")
    lookups = world.server.metric('opaline_lookups_total{kind="charged"}') - lookups
    check(lookups <= 1 + proxy.connections, f"{lookups} look-ups were charged over {proxy.connections} connections")
    proxy.close()
    check(world.server.stop() == 0, "the server shuts down cleanly")


CASES = {"chaos": chaos, "stalls": stalls, "following": following, "stranger": stranger}


if __name__ == "__main__":
    run_cases("network", CASES, lambda programs, scratch: (programs, scratch))
