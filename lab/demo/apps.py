#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The demonstration's part inside the lab: unmodified applications between two nodes, each checking its own data.

Writes one JSON file: {"apps": {name: {"ok": bool, "detail": text}}, "marker": text}. Progress goes to standard error.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
FOLDER = Path("/run/tlshub-demo")
SERVER4, SERVER6 = "10.77.0.2", "fd77::2"
MARKER = "TLSHUB-DEMO-MARKER-" + os.urandom(8).hex()
FILE_BYTES = 20 * 1000 * 1000
POST_BYTES = 1_000_000


def on(node: str, *command: str, timeout: float = 240) -> bytes:
    """Run a command in a node; its standard output. Raises RuntimeError where it fails."""
    done = subprocess.run(["on", node, *command], capture_output=True, timeout=timeout)
    if done.returncode:
        said = done.stderr.decode(errors="replace")[-300:].strip()
        raise RuntimeError(f"'{command[0]}' ended with {done.returncode}: {said}")
    return done.stdout


def spawn(node: str, *command: str) -> None:
    """Start a server in a node."""
    log = (FOLDER / f"{Path(command[0]).name}.log").open("ab")
    subprocess.Popen(["on", node, *command], stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def prepare() -> None:
    """Files with the marker in them, and the servers."""
    (FOLDER / "www").mkdir(parents=True)
    (FOLDER / "uploads").mkdir()
    FOLDER.chmod(0o755)
    (FOLDER / "uploads").chmod(0o777)
    block = MARKER.encode() + os.urandom(65536 - len(MARKER))
    content = block * (FILE_BYTES // len(block) + 1)
    (FOLDER / "www/file").write_bytes(content[:FILE_BYTES])
    (FOLDER / "www/index.html").write_text(f"<p>{MARKER}</p>\n")
    (FOLDER / "post").write_bytes((MARKER.encode() + os.urandom(1000)) * (POST_BYTES // 1000))
    spawn("node-b", "nginx", "-c", str(HERE / "nginx.conf"), "-g", "daemon off;")
    spawn("node-b", "redis-server", "--bind", "0.0.0.0", "::", "--save", "", "--protected-mode", "no")
    spawn("node-b", "python3", str(HERE.parent / "apps/speak_first.py"), "server", "::", "7000", "--marker", MARKER)
    for port in (80, 6379, 7000):
        listening(port)


def listening(port: int) -> None:
    """Wait until a server listens; raises RuntimeError after half a minute."""
    for _ in range(150):
        if on("node-b", "ss", "-Hltn", f"sport = :{port}").strip():
            return
        time.sleep(0.2)
    raise RuntimeError(f"no server listens on port {port}: see '{FOLDER}'")


def same(got: bytes, file: Path) -> None:
    """Bit for bit, or RuntimeError."""
    expected = file.read_bytes()
    if hashlib.sha256(got).digest() != hashlib.sha256(expected).digest():
        raise RuntimeError(f"{len(got)} bytes arrived, not the {len(expected)} of '{file.name}' bit for bit")


def curl(*arguments: str) -> bytes:
    """curl in node-a."""
    return on("node-a", "curl", "-sS", "--fail", "--max-time", "200", *arguments)


def file_ipv4() -> str:
    same(curl(f"http://{SERVER4}/file"), FOLDER / "www/file")
    return "20 MB by sendfile, bit for bit"


def file_ipv6() -> str:
    same(curl(f"http://[{SERVER6}]/index.html"), FOLDER / "www/index.html")
    return "a page over IPv6"


def long_header() -> str:
    padding = (MARKER * 200)[:3072]
    if curl("-H", f"X-Padding: {padding}", f"http://{SERVER4}/headers").decode() != padding:
        raise RuntimeError("the 3 KB header did not come back as sent")
    return "a request header of 3 KB, echoed"


def post() -> str:
    curl("--data-binary", f"@{FOLDER / 'post'}", "-o", "/dev/null", f"http://{SERVER4}/upload")
    stored = list((FOLDER / "uploads").iterdir())
    if len(stored) != 1:
        raise RuntimeError(f"{len(stored)} uploads stored, not 1")
    same(stored[0].read_bytes(), FOLDER / "post")
    return "1 MB posted, stored bit for bit"


def proxied() -> str:
    same(curl(f"http://{SERVER4}/proxied/file"), FOLDER / "www/file")
    return "20 MB through proxy_pass, both legs captured"


def redis() -> str:
    for host in (SERVER4, SERVER6):
        on("node-a", "redis-cli", "-h", host, "set", "marker", MARKER * 50)
        if on("node-a", "redis-cli", "-h", host, "get", "marker").decode().strip() != MARKER * 50:
            raise RuntimeError(f"redis at '{host}' did not give the value back")
    out = on("node-a", "redis-benchmark", "-h", SERVER4, "-n", "400", "-c", "8", "-t", "set,get", "-d", "512", "--csv")
    return f"set and get over both families; redis-benchmark: {len(out.splitlines()) - 1} tests on 8 connections"


def speak_first() -> str:
    for host in (SERVER4, SERVER6):
        client = str(HERE.parent / "apps/speak_first.py")
        on("node-a", "python3", client, "client", host, "7000", "--marker", MARKER, "--size", "100000", "--count", "2")
    return "greeting first, then 100 kB each way, over both families"


def control() -> str:
    same(curl(f"http://{SERVER4}:8090/index.html"), FOLDER / "www/index.html")
    return "the control: the same page on a port that a rule lets pass in clear"


APPS: dict[str, Callable[[], str]] = {
    "nginx-file": file_ipv4,
    "nginx-ipv6": file_ipv6,
    "nginx-header": long_header,
    "nginx-post": post,
    "nginx-proxy": proxied,
    "redis": redis,
    "speak-first": speak_first,
    "control": control,
}


def main() -> int:
    """Run all, each to its end, whatever became of the others; returns the exit status."""
    results: dict[str, dict[str, object]] = {}
    print("demo: starting nginx, redis-server and a server that speaks first on 'node-b'", file=sys.stderr)
    prepare()
    for name, app in APPS.items():
        began = time.monotonic()
        try:
            results[name] = {"ok": True, "detail": app()}
        except (RuntimeError, subprocess.TimeoutExpired, OSError) as error:
            results[name] = {"ok": False, "detail": str(error)}
        word = "ok" if results[name]["ok"] else "FAILED"
        print(f"demo: {name}: {word}: {results[name]['detail']} ({time.monotonic() - began:.1f} s)", file=sys.stderr)
    Path(sys.argv[1]).write_text(json.dumps({"apps": results, "marker": MARKER}))
    return 0 if all(result["ok"] for result in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
