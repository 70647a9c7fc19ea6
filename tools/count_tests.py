"""Adds up the test cases in GoogleTest's XML files: prints 'N passed, N failed, N skipped' and the reasons of skips."""
import pathlib
import sys
import xml.etree.ElementTree as ET

passed = failed = skipped = 0
reasons = {}
for file in sorted(pathlib.Path(sys.argv[1]).glob("*.xml")):
    try:
        root = ET.parse(file).getroot()
    except ET.ParseError:
        print(f"{file.name}: unreadable result (the test program died?)")
        failed += 1
        continue
    for case in root.iter("testcase"):
        if case.find("failure") is not None:
            failed += 1
        elif case.get("result") == "skipped" or case.get("status") == "notrun":
            skipped += 1
            node = case.find("skipped")
            reason = (node.get("message") or "").strip() if node is not None else ""
            reasons[reason] = reasons.get(reason, 0) + 1
        else:
            passed += 1
for reason, count in sorted(reasons.items()):
    print(f"skipped {count}: {reason or 'no reason given'}")
print(f"{passed} passed, {failed} failed, {skipped} skipped")
sys.exit(1 if failed or not passed else 0)
