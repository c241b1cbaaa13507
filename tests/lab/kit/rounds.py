# SPDX-License-Identifier: Apache-2.0
"""The same conversation again and again, one connection after the other, between one client and one server process."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from socket import socket

from tests.lab.kit.job import Job, Say
from tests.lab.kit.node import Node
from tests.lab.kit.ports import Way
from tests.lab.kit.talk import Talk, accept, dial, listener


def serve_rounds(say: Say, way: Way, port: int, talk: Talk, content: bytes, count: int) -> int:
    """Accept one after the other; how many received, bit for bit, what was due."""
    good = 0
    with listener(way, port) as door:
        say("listening")
        for number in range(count):
            with accept(door) as connection:
                good += _numbered(talk, connection, content, number) == content
    return good


def dial_rounds(say: Say, way: Way, port: int, talk: Talk, content: bytes, count: int) -> int:
    """Connect one after the other; how many received, bit for bit, what was due."""
    return sum(
        dial(say, way, port, partial(_numbered, talk, number=number), content) == content for number in range(count)
    )


def _numbered(talk: Talk, sock: socket, content: bytes, number: int) -> bytes:
    try:
        return talk(sock, content)
    except OSError as error:
        raise AssertionError(f"connection {number}: {error!r}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """A running pair of applications with `count` connections to make."""

    client: Job[int]
    server: Job[int]
    count: int

    def check(self, timeout: float = 120) -> None:
        """Assert that all bytes of all connections arrived at both ends."""
        assert (self.client.result(timeout), self.server.result(timeout)) == (self.count, self.count)


def rounds(
    node_a: Node, node_b: Node, way: Way, port: int, client: Talk, server: Talk, content: bytes, count: int
) -> Rounds:
    """Start a server in `node_b`, and when it listens a client in `node_a`."""
    serving = node_b.start(partial(serve_rounds, way=way, port=port, talk=server, content=content, count=count))
    assert serving.heard() == "listening"
    dialling = node_a.start(partial(dial_rounds, way=way, port=port, talk=client, content=content, count=count))
    return Rounds(client=dialling, server=serving, count=count)
