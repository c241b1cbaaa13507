# SPDX-License-Identifier: Apache-2.0
"""'verify' as a process beside connections that are made meanwhile."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.unit.verifying.spaces import Spaces

PROGRAM = Path(sys.executable).with_name("tlshub-capture")


class Verifying:
    """A running 'verify'; its verdict once it has ended."""

    def __init__(self, link: Spaces, *words: object) -> None:
        command = ["ip", "netns", "exec", link.name("a"), str(PROGRAM), "verify", "--json", "-i", "wire"]
        self.process = subprocess.Popen(
            [*command, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
        )
        assert self.process.stderr is not None
        self.said = self.process.stderr.readline().decode()
        assert "capturing on 'wire'" in self.said, self.said

    def verdict(self) -> tuple[int, dict[str, Any]]:
        """The exit status, and the document."""
        out, _ = self.process.communicate(timeout=60)
        return self.process.returncode, json.loads(out)


@contextmanager
def verifying(link: Spaces, *words: object) -> Iterator[Verifying]:
    running = Verifying(link, *words, "--seconds", "60")
    try:
        yield running
    finally:
        running.process.kill()
        running.process.communicate()


def until_end(sock: socket.socket) -> bytes:
    found = b""
    while chunk := sock.recv(1 << 16):
        found += chunk
    return found


def talk(link: Spaces, port: int, sent: bytes, received: bytes, six: bool = False) -> None:
    """One connection; each end sees what the other sent."""
    seen: list[bytes] = []

    def answer(sock: socket.socket) -> None:
        seen.append(until_end(sock))
        sock.sendall(received)

    link.serve(port, answer, six)
    with link.connect(port, six) as sock:
        sock.sendall(sent)
        sock.shutdown(socket.SHUT_WR)
        assert until_end(sock) == received
    link.join()
    assert seen == [sent]
