"""Arrows go down only: every #include of a room by another must be in this list (docs/architecture.md shows it as a picture).

    python3 tests/arrows/check.py SOURCE_DIR
"""
import pathlib
import re
import sys

# room -> the rooms it may include. Test and bench sources may also include what is in TESTS.
ALLOWED = {
    "base": [],
    "crypto": ["base"],
    "credentials": ["base", "crypto"],
    "wire": ["base", "crypto"],
    "session": ["base", "crypto", "credentials"],
    "msp": ["base", "crypto"],
    "carrier": ["base"],
    "store": ["base", "crypto"],
    "net": ["base"],
    "endpoint": ["base", "crypto", "wire", "credentials", "session"],
    "relay": ["base", "crypto", "wire", "store"],
    "identity": ["base", "crypto", "wire", "credentials", "store"],
    "blobs": ["base", "crypto", "store"],
    "operators": ["base", "crypto", "store", "net"],
    "ledger": ["base", "crypto", "store"],
    "records": ["base", "crypto", "store", "identity", "operators", "ledger"],
    "sms": ["base", "crypto", "carrier", "msp", "store", "net", "identity"],
    "server": ["base", "crypto", "wire", "credentials", "store", "net", "msp", "relay", "identity", "blobs", "operators", "ledger", "records", "sms"],
    "uplink": ["base", "wire", "endpoint", "net"],
    "client": ["base", "crypto", "wire", "credentials", "session", "store", "net", "msp", "endpoint", "uplink"],
    "gateway": ["base", "crypto", "wire", "credentials", "session", "store", "net", "msp", "endpoint", "uplink"],
}
# Libraries by header prefix -> the only rooms that may include them.
LIBRARIES = {
    "openssl/": ["crypto", "net"],
    "boost/asio": ["net"],
    "boost/beast": ["net"],
    "rocksdb/": ["store"],
    "sqlite3.h": ["client"],
    "phonenumbers/": ["identity"],
    "zlib.h": ["msp"],
    "curl/": ["identity"],
    "prometheus/": ["net"],
    "spdlog/": ["server"],
    "pb_encode.h": ["wire"],
    "pb_decode.h": ["wire"],
}
# Rooms that later become WebAssembly: no threads, sockets, files, libprotobuf.
PURE = {"base", "crypto", "credentials", "session", "wire", "endpoint"}
IMPURE = re.compile(r"^(thread|mutex|condition_variable|fstream|filesystem|sys/socket\.h|proto/device\.pb\.h)$")

# For the rooms that do I/O; so no pure room may include it.
IMPURE_BASE = "base/fault_point.hpp"

INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.MULTILINE)


def violations(source):
    for file in sorted(source.glob("src/**/*.[ch]pp")):
        room = file.relative_to(source / "src").parts[0]
        test = re.search(r"_(test|bench|fuzz)|test_support|_world|wycheproof", file.name) or {"tests", "test_support", "testing", "conformance"} & set(file.parts)
        if room not in ALLOWED:
            yield f"{file.relative_to(source)}: room '{room}' is not in the list of tests/arrows/check.py"
            continue
        for included in INCLUDE.findall(file.read_text()):
            target = included.split("/")[0]
            where = file.relative_to(source)
            if target in ALLOWED and target != room and target not in ALLOWED[room] and not test:
                yield f"{where}: includes {included}: {room} may not know {target}"
            if "/internal/" in included and target in ALLOWED and target != room:
                yield f"{where}: includes {included}: that is {target}'s own"
            for prefix, rooms in LIBRARIES.items():
                if included.startswith(prefix) and room not in rooms and not test:
                    yield f"{where}: includes {included}: only {', '.join(rooms)} may"
            if room in PURE and not test and str(where) != f"src/{IMPURE_BASE}" and (IMPURE.match(included) or included == IMPURE_BASE):
                yield f"{where}: includes {included}: {room} has no threads, files, sockets or libprotobuf"


def main():
    source = pathlib.Path(sys.argv[1])
    found = list(violations(source))
    for line in found:
        print(line)
    files = len(list(source.glob("src/**/*.[ch]pp")))
    print(f"{files} files read, {len(found)} arrows that go the wrong way")
    return 1 if found or files < 20 else 0


if __name__ == "__main__":
    sys.exit(main())
