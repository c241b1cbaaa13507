# SPDX-License-Identifier: Apache-2.0
"""How long an agent takes to start, in processes of its own, with nothing pinned and nothing left to be compiled."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from bench.agents import configuration, detach
from bench.cpu import own, resident
from bench.measurement import BACKENDS, Start
from tests.lab.kit.node import Node

TIMES = 3
_PATIENCE_S = 300.0


def starts(node: Node, folder: Path, rule: str) -> list[Start]:
    """TIMES of each backend, in turns; one more before those, which brings files into memory, does not count."""
    orders = [BACKENDS if number % 2 else tuple(reversed(BACKENDS)) for number in range(TIMES + 1)]
    found = [[_start(node, backend, folder, rule) for backend in order] for order in orders]
    return [one for turn in found[1:] for one in turn]


def _start(node: Node, backend: str, folder: Path, rule: str) -> Start:
    words = ["tlshub-capture", "run", str(configuration(node, backend, folder)), "--rule", rule]
    ready = folder / "ready"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.settimeout(_PATIENCE_S)
        told.bind(str(ready))
        try:
            return _started(node, words, backend, told)
        finally:
            ready.unlink()
            detach(node)


def _started(node: Node, words: list[str], backend: str, told: socket.socket) -> Start:
    # As a service, which tells when it captures; and with modules that were compiled once, as anybody's are.
    environment = {**os.environ, "NOTIFY_SOCKET": told.getsockname()}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    began = time.monotonic()
    with subprocess.Popen(["on", node.name, *words], env=environment, stdout=subprocess.DEVNULL) as agent:
        try:
            said = next(said for said in _messages(told) if "READY=1" in said)
            # Its own: a child that it has for an instant may be gone when it is looked at.
            took, burnt, megabytes = time.monotonic() - began, own(agent.pid), resident(agent.pid)
        finally:
            agent.send_signal(signal.SIGTERM)
    if f"'{backend}" not in said:
        raise RuntimeError(f"an agent of the backend '{backend}' says that it is another one: {said}")
    return Start(backend=backend, seconds=took, cpu_seconds=burnt, megabytes=round(megabytes, 1))


def _messages(told: socket.socket) -> Iterator[str]:
    while True:
        yield told.recv(4096).decode()
