# SPDX-License-Identifier: Apache-2.0
"""Programs that do not wait and trust select(): one EAGAIN they can bear, but none behind "it is ready", as rsync."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from tests.lab.kit.chat import Flag
from tests.lab.kit.hold import gate, held, stopped, warm
from tests.lab.kit.job import Say
from tests.lab.kit.node import Node
from tests.lab.kit.ports import IPV4, Ports, Way
from tests.lab.kit.talk import QUIET_S, Talk, accept, dial, listener, payload, receives_first, sends_first, serve, take
from tests.lab.kit.wire import Wire

pytestmark = gate
T = TypeVar("T")
FIRST = 100
WHILE_S = 0.1  # far shorter than the lab's gate lets such a program wait


def trusting(sock: socket.socket, *, reads: bool, call: Callable[[], T]) -> T:
    """The call, or once more when it is said to be ready; raises BlockingIOError where it was not."""
    sock.setblocking(False)
    try:
        return call()
    except BlockingIOError:
        assert any(select.select([sock] * reads, [sock] * (not reads), [], QUIET_S)), "never ready"
        return call()
    finally:
        sock.setblocking(True)


def writes(sock: socket.socket, content: bytes) -> bytes:
    """Send, the first bytes in that manner, then receive as much."""
    assert trusting(sock, reads=False, call=lambda: sock.send(content[:FIRST])) == FIRST
    sock.sendall(content[FIRST:])
    return take(sock, len(content))


def reads(sock: socket.socket, content: bytes) -> bytes:
    """Receive, the first bytes in that manner, then send as much."""
    first = trusting(sock, reads=True, call=lambda: sock.recv(FIRST))
    got = first + take(sock, len(content) - len(first))
    sock.sendall(content)
    return got


def serve_when_told(say: Say, way: Way, port: int, content: bytes, go: Flag, talk: Talk = reads) -> bytes:
    """Leaves the client in the backlog until told."""
    with listener(way, port) as door:
        say("listening")
        while not go.is_set():
            time.sleep(0.05)
        with accept(door) as sock:
            return talk(sock, content)


def test_a_writer(node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes) -> None:
    port, content = ports.require(), payload(marker)
    warm(node_a, node_b, ports.require())
    server = node_b.start(partial(serve, way=IPV4, port=port, talk=receives_first, content=content))
    assert server.heard() == "listening"
    with stopped(node_b):
        client = node_a.start(partial(dial, way=IPV4, port=port, talk=writes, content=content))
        held(node_a)
        time.sleep(WHILE_S)  # by now it has come again, and waits
    assert client.result() == content == server.result()
    wire.secured(marker, port, flows=1)


def test_a_reader_that_ciphertext_waits_for(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    port, content, go = ports.require(), payload(marker), Flag()
    server = node_b.start(partial(serve_when_told, way=IPV4, port=port, content=content, go=go))
    assert server.heard() == "listening"
    client = node_a.start(partial(dial, way=IPV4, port=port, talk=sends_first, content=content))
    node_a.await_events("Secured", 1)
    with stopped(node_b):
        go.set()
        time.sleep(WHILE_S)
    assert client.result() == content == server.result()
    wire.secured(marker, port, flows=1)
