"""The load generator against a real server, with so few messages that it takes a second: every count must be right,
and it must refuse what it should. No speed is looked at.

    python3 benchmarks/smoke_test.py --build BUILD
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import urllib.request

from harness.processes import Failed, Opalined, Programs, free_port, run_lines, wait_for
from harness.rows_business import Gateway

PAIRS = 2


def check(right, what):
    print(f"{'ok' if right else 'WRONG':5}  {what}")
    if not right:
        sys.exit(1)


def refused(arguments, words):
    done = subprocess.run([str(a) for a in arguments], capture_output=True, text=True, timeout=60)
    check(done.returncode != 0 and words in done.stderr, f"refused: {done.stderr.strip()[:100]}")


def business(programs, server, gateway):
    """Persons and a business's software around a server and a gateway."""
    def load(*runs, seconds=60, **more):
        timing = ["--warmup", 0, "--seconds", seconds, "--rate", 200, "--connections", 4]
        return gateway.load(programs, timing, *runs, **{"persons": 8, "in-flight": 24, "messages": 400, "patience": 60, **more})

    closed, posts = run_lines(load("webhooks", "posts"))
    check(closed["sent"] == closed["to_receipt_us"]["count"] == 400, "400 messages of 8 persons: 400 webhooks, each in order")
    check(posts["sent"] == posts["to_accepted_us"]["count"] == 400, "400 POSTs: 400 answers")
    check(posts["in_flight"] == 4 and 0 < posts["to_receipt_us"]["count"] <= 400, "and each person has the texts, or there would be no line")
    paced = run_lines(load("webhooks-paced", "posts-paced", seconds=2))
    check(len(paced) == 2 and all(350 <= line["sent"] <= 450 for line in paced), "200 a second for 2 seconds")

    # What is wrong or lost gives no figure. (The gateway tries what was not taken again, so what leaves some of it comes last.)
    refused([programs.load("business_load"), "--port", gateway.port, "--authority", server.authority, "http"], "the answer is HTTP/1.1 4")
    refused(load("posts", **{"api-port": server.port}), "POST /v1/message: HTTP/1.1 4")
    refused(load("webhooks", **{"webhook-port": free_port(), "patience": 2}), "nothing has happened for 2 s")
    refused(load("webhooks", secret="A" * 43 + "="), "was not made with the business's secret")


def logged(server):
    """Entries in the lookup log, as the metrics have it."""
    port = json.loads((server.directory / "ports.json").read_text())["metrics"]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        values = [line.split()[1] for line in answer.read().decode().splitlines() if line.startswith("opaline_lookup_log_entries ")]
    return int(float(values[0])) if values else 0


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

            run = run_lines(load(server, "--in-flight", 8, "lookups", "--messages", 50, "--handles", 7, "--warmup", 0, "--seconds", 60))[0]
            check(run["to_accepted_us"]["count"] == 50 and run["handles"] == 7, "lookups: 50 requests of 7 handles are answered")
            check(wait_for("the lookup log", lambda: logged(server) == 350), "the service has logged each of the 350")
            with Opalined(programs, root / "three", settings={"lookups.log_days": 0}) as silent:
                run_lines(load(silent, "register", "--outbox", silent.directory / "outbox.jsonl", "--count", PAIRS, accounts="silent"))
                run_lines(load(silent, "lookups", "--messages", 10, "--warmup", 0, "--seconds", 60, accounts="silent"))
                check(logged(silent) == 0, "with log_days = 0 none")

            refused(load(other, "online", "--messages", 1), "goodbye: code 3")  # accounts of another server
            refused(load(server, "online", "--messages", 1, authority=other.authority), "certificate verify failed")
            refused(load(server, "--payload", 50_000, "online", "--messages", 1), "goodbye")
            still = run_lines(load(server, "--in-flight", 4, "online", "--messages", 10, "--warmup", 0, "--seconds", 60))[0]
            check(still["to_receipt_us"]["count"] == 10, "the server serves after that")
        with Opalined(programs, root / "three") as server, Gateway(programs, server) as gateway:
            business(programs, server, gateway)
    print("the generators count right")


if __name__ == "__main__":
    try:
        main()
    except Failed as why:
        print(f"WRONG  {why}")
        sys.exit(1)
