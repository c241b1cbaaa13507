# SPDX-License-Identifier: Apache-2.0
"""io_uring: connect, accept, send and receive, all without a system call of their own, at once or in a worker."""

from __future__ import annotations

import ctypes
import errno
import ipaddress
import socket
import struct
from dataclasses import dataclass, field
from functools import partial

import pytest

from tests.lab.kit.hold import gate, held, speaker, stopped, warm
from tests.lab.kit.job import Say
from tests.lab.kit.node import Node
from tests.lab.kit.ports import IPV4, Ports, Way
from tests.lab.kit.talk import listener, payload
from tests.lab.kit.uring import ACCEPT, CONNECT, RECV, SEND, Issue, Ring
from tests.lab.kit.wire import Wire

ISSUES: tuple[Issue, ...] = ("inline", "worker")


@dataclass(slots=True, kw_only=True)
class Line:
    """A connected socket, spoken on through a ring; how often a request was told to come again."""

    issue: Issue
    sock: socket.socket
    ring: Ring = field(default_factory=Ring)
    again: int = 0

    def do(self, code: int, at: int = 0, size: int = 0, more: int = 0) -> int:
        while (result := self.ring.do(self.issue, code, self.sock, at, size, more)) == -errno.EAGAIN:
            self.again += 1
        assert result >= 0, errno.errorcode[-result]
        return result

    def connect(self, way: Way, port: int) -> None:
        address = struct.pack("=H", way.family) + struct.pack("!H4s8x", port, ipaddress.ip_address(way.host).packed)
        room = ctypes.create_string_buffer(address, len(address))
        self.do(CONNECT, ctypes.addressof(room), more=len(address))

    def send(self, content: bytes) -> None:
        room, done = ctypes.create_string_buffer(content, len(content)), 0
        while done < len(content):
            done += self.do(SEND, ctypes.addressof(room) + done, len(content) - done)

    def take(self, size: int) -> bytes:
        room, done = ctypes.create_string_buffer(size), 0
        while done < size and (got := self.do(RECV, ctypes.addressof(room) + done, size - done)):
            done += got
        return room.raw[:done]


def serve(say: Say, way: Way, port: int, issue: Issue, content: bytes) -> bytes:
    with listener(way, port) as door:
        door.setblocking(True)
        say("listening")
        number = Line(issue=issue, sock=door).do(ACCEPT)
    with socket.socket(fileno=number) as sock:
        line = Line(issue=issue, sock=sock)
        got = line.take(len(content))
        line.send(content)
    return got


def dial(_say: Say, way: Way, port: int, issue: Issue, content: bytes) -> bytes:
    with socket.socket(way.family) as sock:
        line = Line(issue=issue, sock=sock)
        line.connect(way, port)
        line.send(content)
        return line.take(len(content))


def test_both_ends_by_rings(node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes) -> None:
    content, secret, control = payload(marker), [ports.require() for _ in ISSUES], ports.bypass()
    pairs = [*zip(secret, ISSUES, strict=True), (control, ISSUES[0])]
    for port, issue in pairs:
        server = node_b.start(partial(serve, way=IPV4, port=port, issue=issue, content=content))
        assert server.heard() == "listening"
        client = node_a.start(partial(dial, way=IPV4, port=port, issue=issue, content=content))
        assert client.result() == content == server.result()
    wire.secured(marker, *secret, flows=len(ISSUES))
    wire.clear(marker, control)


def early(_say: Say, way: Way, port: int, issue: Issue, content: bytes) -> tuple[bytes, int, int]:
    """Receive first, then send; how often each was told to come again."""
    with socket.create_connection((way.host, port)) as sock:
        line = Line(issue=issue, sock=sock)
        got = line.take(len(content))
        receiving = line.again
        line.send(content)
        return got, receiving, line.again - receiving


def late(_say: Say, way: Way, port: int, issue: Issue, content: bytes) -> tuple[bytes, int, int]:
    """Send first, then receive; how often each was told to come again."""
    with socket.create_connection((way.host, port)) as sock:
        line = Line(issue=issue, sock=sock)
        line.send(content)
        sending = line.again
        got = line.take(len(content))
        return got, line.again - sending, sending


@gate
@pytest.mark.parametrize("issue", ISSUES)
def test_what_a_held_request_ends_with(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, issue: Issue
) -> None:
    content, secret = payload(marker), [ports.require() for _ in range(2)]
    warm(node_a, node_b, ports.require())
    servers = [speaker(node_b, port, content) for port in secret]
    with stopped(node_b):
        clients = [
            node_a.start(partial(talk, way=IPV4, port=port, issue=issue, content=content))
            for port, talk in zip(secret, (early, late), strict=True)
        ]
        held(node_a, 2)
    (got, receiving, _), (later, _, sending) = [client.result() for client in clients]
    assert got == later == content and [server.result() for server in servers] == [content] * 2
    assert receiving == 0, "a receiver is told to come again where it waited before"
    assert sending > 0, "a sender waits where it was told to come again: say so in the limits"
    wire.secured(marker, *secret, flows=2)
