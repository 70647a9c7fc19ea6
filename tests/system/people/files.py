"""Stories of files, as people meet them: what is said, and what it looks like."""
import os
import subprocess


def story_files(check, world):
    """A file to somebody: sent, shown, saved twice, kept without a server, given up"""
    anna, ben = world.person("fanny"), world.person("fritz")
    ben_handle = "fritz@example.org"
    here = world.directory / "files"
    here.mkdir()
    (here / "plan.pdf").write_bytes(b"the plan" * 1000)
    done = anna.run("send", ben_handle, "the plan", "--attach", str(here / "plan.pdf"))
    sent = done.event("message")
    check(done.code == 0 and [file["name"] for file in sent["files"]] == ["plan.pdf"] and done.event("progress"), "a file is sent")
    shown = ben.run("receive", json_lines=False)
    check("plan.pdf (8.0 kB)" in shown.out and f"opaline save {sent['id'][:8]}" in shown.out, f"what comes is shown with how to get it: {shown.out.splitlines()[-1:]}")
    done = ben.run("save", sent["id"][:8], "--to", str(here / "in"))
    check(done.code == 1 and "no directory" in done.error["message"], f"into nowhere: {done.error['message']}")
    (here / "in").mkdir()
    done = ben.run("save", sent["id"][:8], "--to", str(here / "in"))
    check(done.code == 0 and (here / "in" / "plan.pdf").read_bytes() == (here / "plan.pdf").read_bytes(), "it is saved")
    done = ben.run("save", sent["id"][:8], "--to", str(here / "in"))
    check(done.code == 1 and done.error["error"] == "file_gone" and "30 days" in done.error["message"], f"a second time: {done.error['message']}")
    for wrong in ("xyz", "0000", "00000000"):
        done = ben.run("save", wrong)
        check(done.code == 1 and "id" in done.error["message"], f"no message {wrong}: {done.error['message']}")
    died = subprocess.run(anna.command("send", ben_handle, "later", "--attach", str(here / "plan.pdf")), capture_output=True, env={**os.environ, "OPALINE_FAULT": "files.after_accepted"})
    waiting = anna.run("history").event("upload")
    check(died.returncode == -9 and waiting.get("text") == "later", "after kill -9 the history shows the upload")
    text = anna.run("history", json_lines=False).out
    check("uploading" in text and "opaline cancel" in text, f"and how to give it up: {text.splitlines()[-3:]}")
    done = anna.run("cancel", waiting["id"][:8])
    check(done.code == 0 and done.event("cancelled") and not anna.run("history").event("upload"), "given up")
    done = anna.run("send", ben_handle, "--attach", str(here / "nothing"))
    check(done.code == 1 and "no such file" in done.error["message"], f"no file: {done.error['message']}")
    check(anna.run("send", ben_handle).code == 2, "neither text nor file: wrong usage")
