# SPDX-License-Identifier: Apache-2.0
"""A hold that is long enough to be looked at: the other node's agent is stopped while a program of this one waits."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from tests.lab.kit.job import Job, Say
from tests.lab.kit.node import Node
from tests.lab.kit.ports import IPV4, Way
from tests.lab.kit.talk import accept, converse, listener, receives_first, sends_first, take
from tests.lab.kit.wire import Wire

GATE = {"capture.warm_ms": "600000"}  # or clients of an agent that is stopped wait in TCP's handshake
gate = pytest.mark.agents(node_a=GATE)


@contextmanager
def stopped(node: Node) -> Iterator[None]:
    """That node's agent does nothing."""
    node.agent.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        node.agent.signal(signal.SIGCONT)


def warm(node_a: Node, node_b: Node, port: int) -> None:
    """A session between the agents is up: from now on a SYN goes at once, and it is the gate that holds.

    Events from now on are the test's. The agent of `node_a` has to be configured with GATE.
    """
    assert GATE.items() <= node_a.agent.changes.items(), "mark the test 'gate', or its clients never come to the gate"
    converse(node_a, node_b, IPV4, port, sends_first, receives_first, b"to have a session between the agents").check()
    for node in (node_a, node_b):
        node.await_closed(1)
        node.begin()


def speaker(node: Node, port: int, content: bytes) -> Job[bytes]:
    """A server that sends all that it has and ends its half; its result is what it was sent."""
    job = node.start(partial(_speak, way=IPV4, port=port, content=content))
    assert job.heard() == "listening"
    return job


def _speak(say: Say, way: Way, port: int, content: bytes) -> bytes:
    with listener(way, port) as sock:
        say("listening")
        with accept(sock) as connection:
            connection.sendall(content)
            connection.shutdown(socket.SHUT_WR)
            return take(connection, len(content) + 1)


def held(node: Node, count: int = 1) -> list[int]:
    """Wait until so many programs of the test wait in the gate; their processes."""
    pids = [event["pid"] for event in node.await_events("Held", count)]
    return [pid for pid in pids if isinstance(pid, int)]


def spoken(wire: Wire, marker: bytes, *ports: int) -> None:
    """Assert that each of these servers spoke on one connection, in TLS records and nothing else."""
    found = wire.secret(marker, *ports)
    assert len(found) == len(ports) and all(one.records[1] > 0 for one in found), found
