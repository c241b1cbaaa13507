# SPDX-License-Identifier: Apache-2.0
"""The application that the lab captures, and the capture of it where this user may capture."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from oracle import capture

LAB = Path(__file__).parents[3] / "lab"
MARKER = "the-marker-of-this-test"
SPEAK = ("--marker", MARKER, "--size", "300000")
Serve = Callable[..., str]


def run(command: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, str(LAB / command), *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, timeout=120)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start the application's server; returns its port."""
    started: list[subprocess.Popen[bytes]] = []

    def start(host: str, count: int) -> str:
        ready = tmp_path / f"ready-{len(started)}"
        arguments = ["server", host, "0", "--marker", MARKER, "--count", str(count), "--ready", str(ready)]
        started.append(subprocess.Popen([sys.executable, str(LAB / "apps/speak_first.py"), *arguments]))
        deadline = time.monotonic() + 30
        while not ready.exists() or not ready.read_text():
            assert started[-1].poll() is None, "the server ended"
            assert time.monotonic() < deadline, "the server does not listen"
            time.sleep(0.02)
        return ready.read_text()

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def captured(tmp_path: Path) -> Iterator[Path]:
    pcap = tmp_path / "wire.pcap"
    try:
        capture.start("lo", pcap)
    except (capture.CaptureError, FileNotFoundError) as error:
        pytest.skip(f"this user cannot capture on the loopback interface: {error}")
    yield pcap
    if capture.running(pcap):
        capture.stop(pcap)


def test_what_crosses_is_captured_to_the_last_byte(captured: Path, serve: Serve) -> None:
    port = serve("127.0.0.1", 2)
    assert run("apps/speak_first.py", "client", "127.0.0.1", port, *SPEAK, "--count", 2).returncode == 0
    done = run("wire.py", "--pcap", captured, "--ports", port, MARKER)
    body = json.loads(done.stdout)
    assert (done.returncode, body["flows"], body["holes"], body["tls_records"]) == (0, 2, 0, 0)
    assert body["clear_payload_bytes"] == 4 * 300_000 + 2 * len(f"220 welcome, {MARKER}\r\n")
    assert body["clear_marker_hits"] > 2 * 300_000 // 40
    said = run("wire_capture.py", "--pcap", captured, "stop")
    assert (said.returncode, json.loads(said.stdout)["dropped"]) == (0, 0)
    assert capture.running(captured) is None


def test_a_second_capture_into_the_file_is_refused(captured: Path) -> None:
    done = run("wire_capture.py", "--pcap", captured, "start", "lo")
    assert (done.returncode, "stop it first" in done.stderr) == (1, True)
    assert run("wire_capture.py", "--pcap", captured, "settle").returncode == 0


def test_a_capture_that_cannot_start_or_stop_says_why(tmp_path: Path) -> None:
    done = run("wire_capture.py", "--pcap", tmp_path / "x", "start", "no-such-if")
    assert (done.returncode, "tcpdump" in done.stderr) == (1, True)
    done = run("wire_capture.py", "--pcap", tmp_path / "x", "stop")
    assert (done.returncode, "no capture writes" in done.stderr) == (1, True)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_application_agrees_with_itself(serve: Serve, host: str) -> None:
    try:
        socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as error:
        pytest.skip(f"no address '{host}' here: {error}")
    port = serve(host, 3)
    done = run("apps/speak_first.py", "client", host, port, "--marker", MARKER, "--size", 3_000_000, "--count", 3)
    assert (done.returncode, done.stderr) == (0, "")
    assert "3 connections, 3000000 bytes each way, all equal" in done.stdout


def test_the_application_sees_another_greeting(serve: Serve) -> None:
    done = run(
        "apps/speak_first.py", "client", "127.0.0.1", serve("127.0.0.1", 1), "--marker", "other-text-than-this-one"
    )
    assert (done.returncode, "greeting" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    "spoil", [lambda b: b[:-1] + b"x", lambda b: b[:-1], lambda b: b + b"x"], ids=["bit", "less", "more"]
)
def test_the_application_sees_a_byte_that_is_wrong(spoil: Callable[[bytes], bytes]) -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        peer, _ = listener.accept()
        with peer:
            peer.sendall(f"220 welcome, {MARKER}\r\n".encode())
            found = b""
            while chunk := peer.recv(65536):
                found += chunk
            peer.sendall(spoil(found))

    thread = threading.Thread(target=answer)
    thread.start()
    done = run(
        "apps/speak_first.py", "client", "127.0.0.1", listener.getsockname()[1], "--marker", MARKER, "--size", 5000
    )
    thread.join()
    listener.close()
    assert (done.returncode, done.stdout) == (1, "")
    assert "speak_first: connection 0" in done.stderr
