"""The load generator against a real server, with so few messages that it takes a second: every count must be right,
and it must refuse what it should. No speed is looked at.

    python3 benchmarks/smoke_test.py --build BUILD
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile

from harness.processes import Failed, Opalined, Programs, run_lines

PAIRS = 2


def check(right, what):
    print(f"{'ok' if right else 'WRONG':5}  {what}")
    if not right:
        sys.exit(1)


def refused(arguments, words):
    done = subprocess.run([str(a) for a in arguments], capture_output=True, text=True, timeout=60)
    check(done.returncode != 0 and words in done.stderr, f"refused: {done.stderr.strip()[:100]}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path, required=True)
    programs = Programs(parser.parse_args().build, "/nonexistent")
    with tempfile.TemporaryDirectory() as scratch:
        root = pathlib.Path(scratch)
        with Opalined(programs, root / "one") as server, Opalined(programs, root / "two") as other:
            def load(to, *arguments, accounts="accounts", authority=None):
                return [programs.load("relay_load"), "--port", to.port, "--authority", authority or to.authority,
                        "--accounts", root / accounts, "--server-pid", to.pid, "--pairs", PAIRS, *arguments]

            made = run_lines(load(server, "register", "--outbox", server.directory / "outbox.jsonl", "--count", 2 * PAIRS))
            check(made[0]["accounts"] == 2 * PAIRS, "accounts are registered")

            for in_flight in (1, 50):
                run = run_lines(load(server, "--in-flight", in_flight, "online", "--messages", 400, "--warmup", 0,
                                     "--seconds", 60))[0]
                check(run["sent"] == run["to_accepted_us"]["count"] == run["to_receipt_us"]["count"] == 400,
                      f"online, {in_flight} in flight: 400 sent, accepted and received")

            lines = run_lines(load(server, "--in-flight", 64, "--runs", 2, "offline", "--messages", 300))
            check([line["run"] for line in lines] == ["store", "drain"] * 2, "two rounds of store and drain")
            for line in lines:
                count = line["to_accepted_us"]["count"] if line["run"] == "store" else line["messages"]
                check(count == 300, f"{line['run']}: 300 messages")
                check(line["run"] == "drain" or line["to_receipt_us"]["count"] == 0, "nothing arrives at those who are away")

            refused(load(other, "online", "--messages", 1), "goodbye: code 3")  # accounts of another server
            refused(load(server, "online", "--messages", 1, authority=other.authority), "certificate verify failed")
            refused(load(server, "--payload", 50_000, "online", "--messages", 1), "goodbye")
            still = run_lines(load(server, "--in-flight", 4, "online", "--messages", 10, "--warmup", 0, "--seconds", 60))[0]
            check(still["to_receipt_us"]["count"] == 10, "the server serves after that")
    print("the generator counts right")


if __name__ == "__main__":
    try:
        main()
    except Failed as why:
        print(f"WRONG  {why}")
        sys.exit(1)
