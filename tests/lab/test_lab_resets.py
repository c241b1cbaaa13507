# SPDX-License-Identifier: Apache-2.0
"""Connections that end at every stage, held ones too, by every kind of end: nothing of them is left in the agents."""

from __future__ import annotations

import os
import signal
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from threading import Thread

import pytest

from tests.lab.kit.hold import gate, stopped
from tests.lab.kit.job import Job, Say
from tests.lab.kit.node import Node
from tests.lab.kit.ports import IPV4, Ports
from tests.lab.kit.talk import accept, converse, listener, payload, receives_first, sends_first
from tests.lab.kit.wire import Wire

ABRUPT = struct.pack("=ii", 1, 0)  # SO_LINGER: close with a reset
SOON_S, HELD_S = 0.7, 1.5  # until then all are connected; then all that end by themselves have ended
Use = Callable[[socket.socket, bytes], object]


def resets(sock: socket.socket, _content: bytes) -> None:
    """Close with a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABRUPT)


def closes(_sock: socket.socket, _content: bytes) -> None:
    """Close."""


def tries_and_closes(sock: socket.socket, content: bytes) -> None:
    """Find that it cannot send yet, and give up."""
    with suppress(BlockingIOError):
        sock.send(content, socket.MSG_DONTWAIT)


def waits_in_both(sock: socket.socket, content: bytes) -> None:
    """Threads that block in send and in recv, until the process is killed."""
    Thread(target=sock.sendall, args=(content,), daemon=True).start()
    with suppress(ConnectionError):
        while sock.recv(65536):
            continue


def speaks(say: Say, port: int, use: Use, content: bytes) -> None:
    """Connect, and end so."""
    with socket.create_connection((IPV4.host, port)) as sock:
        say("connected")
        time.sleep(SOON_S if use is not waits_in_both else 0)
        use(sock, content)


def answers(say: Say, port: int, use: Use, content: bytes) -> None:
    """Accept one, and end so."""
    with listener(IPV4, port) as door:
        say("listening")
        with accept(door) as sock:
            say("connected")
            time.sleep(SOON_S if use is not waits_in_both else 0)
            use(sock, content)


ENDS: tuple[tuple[Use, Use], ...] = (
    # what the client does, what the server does; who waits in both is killed
    (resets, waits_in_both),
    (closes, waits_in_both),
    (tries_and_closes, waits_in_both),
    (waits_in_both, resets),
    (waits_in_both, closes),
    (waits_in_both, tries_and_closes),
    (waits_in_both, waits_in_both),
)


@contextmanager
def nothing_left(*nodes: Node) -> Iterator[None]:
    """Assert that in the end each connection is closed, and no agent has a descriptor more than before."""
    before = [node.agent.descriptors() for node in nodes]
    yield
    for node, descriptors in zip(nodes, before, strict=True):
        node.await_closed(len(ENDS))
        node.agent.await_descriptors(descriptors)


@gate
@pytest.mark.parametrize("which", ["node-a", "node-b", "neither"])
def test_ends_while_it_is_held_and_while_it_is_open(
    nodes: dict[str, Node], node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, which: str
) -> None:
    content, warm, secret = payload(marker), ports.require(), [ports.require() for _ in ENDS]
    converse(node_a, node_b, IPV4, warm, sends_first, receives_first, content).check()
    with nothing_left(node_a, node_b):
        servers = [
            node_b.start(partial(answers, port=port, use=use, content=content))
            for port, (_, use) in zip(secret, ENDS, strict=True)
        ]
        assert {server.heard() for server in servers} == {"listening"}
        if which == "neither":
            _end_all(node_a, servers, secret, content)
        else:
            with stopped(nodes[which]):
                _end_all(node_a, servers, secret, content)
    wire.secret(marker, *secret)


def _end_all(node_a: Node, servers: list[Job[None]], ports: list[int], content: bytes) -> None:
    clients = [
        node_a.start(partial(speaks, port=port, use=use, content=content))
        for port, (use, _) in zip(ports, ENDS, strict=True)
    ]
    assert {job.heard() for job in clients + servers} == {"connected"}
    time.sleep(HELD_S)
    for (client_use, server_use), client, server in zip(ENDS, clients, servers, strict=True):
        for use, job in ((client_use, client), (server_use, server)):
            if use is waits_in_both:
                assert os.WTERMSIG(_killed(job)) in (0, signal.SIGKILL)


def _killed(job: Job[None]) -> int:
    os.kill(job.pid, signal.SIGKILL)
    return job.reap()
