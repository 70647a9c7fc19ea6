"""The objects of --json against docs/cli.md, whose tables are read."""
import re


def documented(source):
    """docs/cli.md's table of objects: event to the set of its fields, and all other names that the page gives."""
    page = (source / "docs/cli.md").read_text()
    section = page[page.index("## JSON"):page.index("## What is on disk")]
    events = {}
    for row in re.findall(r"^\| (`(?!event`).*)$", section, re.MULTILINE):
        names, fields = [cell.strip() for cell in row.split("|")[:2]]
        fields = re.sub(r"\([^)]*\)", "", fields)
        for name in re.findall(r"`(\w+)`", names):
            events[name] = set(re.findall(r"`(\w+)`", fields)) | {"event"}
    return events, set(re.findall(r"`(\w+)`", page))


# What only a damaged, hostile or newer peer brings about (the client and endpoint rooms test these), or has a system test of its own.
NOT_MET = {("message", "late"), ("message", "newer_version"), ("account", "managed_by"), ("state", "reason"), ("device", "forgotten"), ("recovered", "forgotten"), "typing", "missed", "strangers_dropped",
           "this_device_removed", "device_change_refused", "business", "shared", ("upload", "reason"), ("upload", "answers"), "lookup", "my_lookup", "legal_notice",
           "sms_offer", "sms_link", "sms_report"}


def story_documents(check, world, source):
    """--json against docs/cli.md, in everything that the stories printed"""
    events, names = documented(source)
    seen = {}
    for line in world.seen:
        seen.setdefault(line["event"], set()).update(line)
    check(len(world.seen) > 300 and len(events) > 10, f"{len(world.seen)} objects, {len(events)} documented events")
    for event, fields in sorted(seen.items()):
        unknown = fields - events.get(event, set())
        check(event in events and not unknown, f"{event}: every field is documented {sorted(unknown) if unknown else ''}")
        missing = {field for field in events.get(event, set()) - fields if (event, field) not in NOT_MET}
        check(not missing, f"{event}: every documented field was met {sorted(missing) if missing else ''}")
    missing = set(events) - set(seen) - NOT_MET
    check(not missing, f"every documented event was met {sorted(missing) if missing else ''}")
    values = {line[key] for line in world.seen for key in ("error", "notice", "state", "reason") if isinstance(line.get(key), str)}
    check(values <= names, f"states, reasons, notices and errors are documented: {sorted(values - names)}")
    times = [line[key] for line in world.seen for key in ("sent_at", "received_at", "state_at", "at") if key in line]
    check(all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", time) for time in times), f"{len(times)} times are as documented")
