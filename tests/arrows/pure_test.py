"""The rooms that do no I/O compile for WebAssembly, without exceptions, threads or libprotobuf: the door of a web client.

    python3 tests/arrows/pure_test.py SOURCE_DIR GENERATED_DIR OPENSSL_INCLUDE_DIR OUTPUT_DIR

Compiled, not linked: an OpenSSL for WebAssembly is the web client's to bring.
"""
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

from check import PURE

source, generated, openssl, output = (pathlib.Path(argument) for argument in sys.argv[1:5])
TEST = re.compile(r"_(test|bench|vectors)\.cpp$|testing")
files = [file for room in sorted(PURE) for file in sorted((source / "src" / room).rglob("*.cpp")) if not TEST.search(str(file.relative_to(source)))]
command = ["ccache", "clang++-19", "--target=wasm32-wasi", "-std=c++2b", "-fno-exceptions", "-stdlib=libc++", "-O0", "-Wall", "-Wextra", "-Werror", "-I", source / "src",
           "-DCRYPTO_TDEBUG",  # the headers as of an OpenSSL without threads
           "-I", generated, "-isystem", openssl, "-isystem", "/usr/include/nanopb"]


def compiled(file):
    target = output / file.relative_to(source / "src").with_suffix(".o")
    target.parent.mkdir(parents=True, exist_ok=True)
    return subprocess.run([*command, "-c", file, "-o", target], capture_output=True, text=True)


with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
    results = list(pool.map(compiled, files))
failed = 0
for file, result in zip(files, results):
    if result.returncode:
        failed += 1
        print(f"FAIL {file.relative_to(source)}\n{result.stderr}")
print(f"{len(files) - failed} passed, {failed} failed")
sys.exit(1 if failed or len(files) < 40 else 0)
