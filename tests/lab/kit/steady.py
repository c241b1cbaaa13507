# SPDX-License-Identifier: Apache-2.0
"""Connections without a pause: one after the other, each echoed, until a test has seen enough."""

from __future__ import annotations

from functools import partial

from tests.lab.kit.chat import Flag
from tests.lab.kit.job import Job, Say
from tests.lab.kit.node import Node
from tests.lab.kit.ports import Way
from tests.lab.kit.talk import accept, dial, listener, sends_first, take


def echo_steadily(say: Say, way: Way, port: int, size: int) -> None:
    """Echo `size` bytes on one connection after the other, until it is killed."""
    with listener(way, port) as door:
        say("listening")
        while True:
            with accept(door) as connection:
                connection.sendall(take(connection, size))


def dial_steadily(say: Say, way: Way, port: int, content: bytes, *, enough: Flag) -> int:
    """Connect, send and compare the echo, again and again; how many times, where not one failed."""
    count = 0
    while not enough.is_set():
        got = dial(say, way, port, sends_first, content)
        assert got == content, f"connection {count}: {len(got)} of {len(content)} bytes, or others"
        count += 1
    return count


class Steady:
    """Such a pair of applications for each of the ports."""

    def __init__(self, client: Node, server: Node, way: Way, content: bytes, *ports: int) -> None:
        self._enough = Flag()
        self._servers, self._clients = list[Job[None]](), list[Job[int]]()
        for port in ports:
            self._servers.append(server.start(partial(echo_steadily, way=way, port=port, size=len(content))))
            assert self._servers[-1].heard() == "listening"
            dialling = partial(dial_steadily, way=way, port=port, content=content, enough=self._enough)
            self._clients.append(client.start(dialling))

    def end(self) -> int:
        """Assert that every byte of every connection came back; how many connections there were."""
        self._enough.set()
        counts = [client.result() for client in self._clients]
        for server in self._servers:
            server.kill()
        assert min(counts) > 0
        return sum(counts)
