"""A gateway's clock jumps, by libfaketime: what waits in it is neither over nor destroyed until the operator says that the clock is right.

    python3 tests/system/gateway_clock_test.py DIR_WITH_PROGRAMS
"""
import glob
import json
import pathlib
import ssl
import subprocess
import sys

from business_test import Gateway, Software, World, furnish
from support import opaline, run_cases, wait_for

libraries = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
if not libraries:
    sys.exit("libfaketime is missing: apt-get install faketime (tools/setup does)")


def jump(check, world):
    """The clock of a gateway moves by 40 days"""
    own, anna, house = Software(world.server, "Own House", True), world.anna, world.server.directory.parent / "house"
    msp = furnish(house, world.server, own.told, "Own House", own.address)
    own.options.msp_id, own.options.secret, own.tls = msp["id"], msp["secret"], ssl.create_default_context(cafile=house / "certificate.pem")
    own.answers, own.status = False, 503
    clock = house / "clock"
    clock.write_text("+0")
    around = ["env", f"LD_PRELOAD={libraries[0]}", f"FAKETIME_TIMESTAMP_FILE={clock}", "FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1"]
    gateway = Gateway(world.programs, world.server, 0, "own", house, around)
    day_keys = lambda: sorted(path.name for path in (house / "vault").glob("day-*.key"))
    check(opaline(anna, "send", own.urn, "it waits").code == 0 and own.heard("it waits"), "a message waits for software that is down")
    (key,) = day_keys()
    check(gateway.stop() == 0, "the gateway is stopped")

    clock.write_text(f"+{40 * 86400}")
    gateway, before = Gateway(world.programs, world.server, 0, "own", house, around), len(own.got)
    wait_for("the gateway to say so", lambda: "gateway_clock_jumped" in pathlib.Path(gateway.log.name).read_text())
    wait_for("it to be tried again", lambda: any(m["body"] == "it waits" for m in own.got[before:]))
    check(key in day_keys(), "it is still there, 40 days later by a clock that nobody trusts")
    admin = [world.programs.opalined, "--config", house / "gateway.toml", "--role", "gateway", "admin"]
    said = subprocess.run([*admin, "confirm-clock"], capture_output=True, text=True, check=True).stdout
    check("expiry goes on" in said, f"the operator confirms the clock: {said}")
    wait_for("the key of its day to be destroyed", lambda: key not in day_keys())

    def buried():
        done = subprocess.run([*admin, "dead-letters", "list", "--json"], capture_output=True, text=True, check=True)
        return json.loads(done.stdout)["dead_letters"]
    (letter,) = wait_for("it to be a dead letter", buried)
    check((letter["reason"], letter["kept"]) == ("expired", False), f"it is over: {letter}")
    check(gateway.stop() == 0, "it ends when it is asked to")


if __name__ == "__main__":
    run_cases("gateway_clock", {"jump": jump}, lambda programs, scratch: [World(programs, scratch / "world")])
