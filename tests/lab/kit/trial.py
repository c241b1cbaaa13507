# SPDX-License-Identifier: Apache-2.0
"""Connections that may fail, one to each of several ports at once: what each end got, and how long it took."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from threading import Thread

from tests.lab.kit.chat import Flag
from tests.lab.kit.job import Say
from tests.lab.kit.node import Node
from tests.lab.kit.ports import Way
from tests.lab.kit.reports import final
from tests.lab.kit.talk import accept, listener

Record = Callable[[str, object], None]  # pytest's record_property
LAST_S = 30.0  # what a held server is given to be refused or released, when its client has gone already


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What a client got, the name of the error that it met ('' for none), and how many seconds it took."""

    got: bytes
    error: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """By port: what the client found, and what each connection brought the server, which echoes."""

    content: bytes
    tried: Mapping[int, Tried]
    served: Mapping[int, Sequence[bytes]]

    def check(self) -> None:
        """Assert that no end was handed a byte that the other did not send: no TLS record, nothing lost or swapped."""
        came = [(port, one.got) for port, one in self.tried.items()]
        came += [(port, got) for port, all_of_it in self.served.items() for got in all_of_it]
        wrong = [(port, got[:80]) for port, got in came if not self.content.startswith(got)]
        if wrong:
            final(f"bytes that nobody sent: {wrong}")
        for port, one in self.tried.items():
            assert one.error or one.got == self.content, (port, one)

    def good(self, *ports: int) -> bool:
        """Whether all of it went to the servers and back on all of these."""
        return all(self.tried[port].got == self.content for port in ports)

    def failed(self, port: int, at_least: float = 0.0, at_most: float = 60.0) -> None:
        """Assert that the client met an error, in that time, and that neither end was handed a byte."""
        one = self.tried[port]
        assert one.error and not one.got and at_least <= one.seconds <= at_most, (port, one)
        assert not any(self.served.get(port, ())), (port, self.served)


def trial(
    node_a: Node, node_b: Node, way: Way, ports: Sequence[int], content: bytes, also: Sequence[int] = ()
) -> Trial:
    """Clients in `node_a`, one for each port, and servers in `node_b`, which listen to `also` too; to the end."""
    ended = Flag()
    serving = node_b.start(partial(echo_all, way=way, ports=(*ports, *also), ended=ended))
    assert serving.heard() == "listening"
    tried = node_a.start(partial(try_all, way=way, ports=ports, content=content)).result()
    ended.set()
    found = Trial(content=content, tried=tried, served=serving.result())
    found.check()
    return found


def echo_all(say: Say, way: Way, ports: Sequence[int], ended: Flag) -> dict[int, list[bytes]]:
    """Echo on all those ports, each connection in a thread of its own, until told to end; what each one brought."""
    found: dict[int, list[tuple[Thread, bytearray]]] = {port: [] for port in ports}
    doors = [(listener(way, port), found[port]) for port in ports]
    for door, here in doors:
        Thread(target=_accept_all, args=(door, here), daemon=True).start()
    say("listening")
    while not ended.is_set():
        time.sleep(0.05)
    deadline = time.monotonic() + LAST_S
    for thread, _ in (one for here in found.values() for one in here):
        thread.join(max(0.0, deadline - time.monotonic()))
    return {port: [bytes(got) for _, got in here] for port, here in found.items()}


def _accept_all(door: socket.socket, found: list[tuple[Thread, bytearray]]) -> None:
    while True:
        sock, got = accept(door), bytearray()
        found.append((Thread(target=_echo, args=(sock, got), daemon=True), got))
        found[-1][0].start()


def _echo(sock: socket.socket, got: bytearray) -> None:
    with sock, suppress(OSError):
        while chunk := sock.recv(65536):
            got += chunk
            sock.sendall(chunk)


def try_all(_say: Say, way: Way, ports: Sequence[int], content: bytes) -> dict[int, Tried]:
    """A client in a thread of its own for each port."""
    found: dict[int, Tried] = {}
    threads = [Thread(target=_try, args=(way, port, content, found)) for port in ports]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def _try(way: Way, port: int, content: bytes, found: dict[int, Tried]) -> None:
    began, got, error = time.monotonic(), bytearray(), ""
    with socket.socket(way.family, socket.SOCK_STREAM, way.protocol) as sock:
        try:
            sock.connect((way.host, port))
            sock.sendall(content)
            while len(got) < len(content) and (chunk := sock.recv(65536)):
                got += chunk
        except OSError as failure:
            error = errno.errorcode.get(failure.errno or 0, str(failure))
    error = error or ("" if len(got) == len(content) else "END")
    found[port] = Tried(got=bytes(got), error=error, seconds=time.monotonic() - began)
