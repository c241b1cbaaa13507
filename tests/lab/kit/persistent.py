# SPDX-License-Identifier: Apache-2.0
"""Connections one after the other: each may be refused, and none may bring a byte that nobody sent."""

from __future__ import annotations

import mmap
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from socket import socket
from threading import Thread

from tests.lab.kit.attempt import try_to, went_well
from tests.lab.kit.chat import Flag
from tests.lab.kit.job import Job, Say
from tests.lab.kit.node import Node
from tests.lab.kit.polling import by_epoll, level
from tests.lab.kit.ports import IPV4, Ports
from tests.lab.kit.reports import final
from tests.lab.kit.talk import Talk, accept, listener, receives_first, sends_first

# What the client does, what the server does: blocking, by epoll, and a server that speaks first.
KINDS: tuple[tuple[Talk, Talk], ...] = (
    (sends_first, receives_first),
    (level(by_epoll), level(by_epoll)),
    (receives_first, sends_first),
)
PATIENCE_S, PAUSE_S = 90.0, 0.05
_GOOD = struct.Struct("=Q")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """How many connections went well, how many did not, and how long the longest of the latter took to say so."""

    good: int
    bad: int
    longest_s: float


def summed(found: Sequence[Tried]) -> str:
    """Of all of these together, for a report."""
    return f"{sum(one.good for one in found)} good, {sum(one.bad for one in found)} refused"


def try_steadily(say: Say, port: int, talk: Talk, content: bytes, enough: Flag, good: memoryview) -> Tried:
    """Connect and talk, again and again; `good` is the count of those that went well, for others to see."""
    bad, longest = 0, 0.0
    while not enough.is_set():
        well, seconds = try_to(say, IPV4, port, content, talk)
        if well:
            _GOOD.pack_into(good, 0, _GOOD.unpack(good)[0] + 1)
        else:
            bad, longest = bad + 1, max(longest, seconds)
        time.sleep(PAUSE_S)
    return Tried(good=_GOOD.unpack(good)[0], bad=bad, longest_s=round(longest, 1))


def serve_all(say: Say, port: int, talk: Talk, content: bytes, enough: Flag) -> list[str]:
    """Talk on each connection, whatever becomes of the others; what arrived that nobody sent."""
    wrong: list[str] = []
    with listener(IPV4, port) as door:
        door.settimeout(0.2)
        say("listening")
        while not enough.is_set():
            try:
                sock = accept(door)
            except TimeoutError:
                continue
            Thread(target=_serve, args=(sock, talk, content, wrong), daemon=True).start()
    return wrong


def _serve(sock: socket, talk: Talk, content: bytes, wrong: list[str]) -> None:
    with sock:
        try:
            went_well(partial(talk, sock, content), content)
        except AssertionError as error:
            wrong.append(str(error))


class Trials:
    """Such a pair of applications for each of the KINDS."""

    def __init__(self, client: Node, server: Node, ports: Ports, content: bytes) -> None:
        self.ports = tuple(ports.require() for _ in KINDS)
        self._enough, self._good = Flag(), memoryview(mmap.mmap(-1, _GOOD.size * len(KINDS)))
        self._servers, self._clients = list[Job[list[str]]](), list[Job[Tried]]()
        for number, (port, (calls, answers)) in enumerate(zip(self.ports, KINDS, strict=True)):
            serving = partial(serve_all, port=port, talk=answers, content=content, enough=self._enough)
            self._servers.append(server.start(serving))
            assert self._servers[-1].heard() == "listening"
            trying = partial(try_steadily, port=port, talk=calls, content=content, enough=self._enough)
            self._clients.append(client.start(partial(trying, good=self._slot(number))))

    def _slot(self, number: int) -> memoryview:
        return self._good[number * _GOOD.size : (number + 1) * _GOOD.size]

    def good(self) -> list[int]:
        """How many of each kind went well, until now."""
        return [_GOOD.unpack(self._slot(number))[0] for number in range(len(KINDS))]

    def go_well(self, count: int = 2) -> None:
        """Wait until so many more of each kind went well: at least the latter of two begins later than now."""
        before, deadline = self.good(), time.monotonic() + PATIENCE_S
        while any(now < then + count for now, then in zip(self.good(), before, strict=True)):
            assert time.monotonic() < deadline, f"no connections go well: {before}, then {self.good()}"
            time.sleep(0.05)

    def end(self) -> Sequence[Tried]:
        """Assert that no wrong byte arrived anywhere; what became of the connections of each kind."""
        self._enough.set()
        found = [client.result() for client in self._clients]
        wrong = [what for server in self._servers for what in server.result()]
        if wrong:
            final(f"bytes that nobody sent: {wrong}")
        return found
