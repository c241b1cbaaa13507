# SPDX-License-Identifier: Apache-2.0
"""What processes do with a connection that is held: descriptors that move, other programs, and threads that end."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

import pytest

from tests.lab.kit import odd_hands
from tests.lab.kit.chat import Flag
from tests.lab.kit.handing import Hand, dial_handed, serve_handed
from tests.lab.kit.hold import GATE, stopped, warm
from tests.lab.kit.job import Job, Say
from tests.lab.kit.node import Node
from tests.lab.kit.ports import IPV4, Ports
from tests.lab.kit.talk import Talk, dial, payload, receives_first, sends_first, serve
from tests.lab.kit.wire import Wire
from tlshub_core.pipeline.descriptor import PIDFD_THREAD

SIZE = 20_000


MOVED: tuple[Hand, ...] = (
    odd_hands.renumbered,
    odd_hands.inherited_under_another_number,
    odd_hands.executed(len(payload(bytes(32), SIZE))),
    odd_hands.beside_a_spawned_one,
    odd_hands.thread_ended,
    odd_hands.spawned,  # the last one, because it echoes by itself, and tells nothing
)


class Accepting:
    """Servers in a node, each of which does that with what it accepts, when told."""

    def __init__(self, node: Node, hands: Sequence[Hand], ports: Sequence[int], content: bytes) -> None:
        self._go, self.jobs = Flag(), list[Job[bytes]]()
        for hand, port in zip(hands, ports, strict=True):
            serving = partial(serve_handed, way=IPV4, port=port, talk=receives_first, content=content)
            self.jobs.append(node.start(partial(serving, hand=hand, go=self._go)))
            assert self.jobs[-1].heard() == "listening"

    def go(self) -> None:
        """Accept, and do it; all have done it."""
        self._go.set()
        assert {job.heard() for job in self.jobs} == {"done"}


def dialling(node: Node, hands: Sequence[Hand], ports: Sequence[int], content: bytes) -> list[Job[bytes]]:
    """Clients in a node, each of which does that with its connection; all have done it."""
    connect = partial(dial_handed, way=IPV4, talk=receives_first, content=content)
    jobs = [node.start(partial(connect, port=port, hand=hand)) for hand, port in zip(hands, ports, strict=True)]
    assert {job.heard() for job in jobs} == {"done"}
    return jobs


def moved(here: Sequence[Job[bytes]], there: Sequence[Job[bytes]], content: bytes) -> None:
    """All that was said arrived."""
    assert [job.result() == content for job in there] == [True] * len(MOVED)
    assert [job.result() == content for job in here] == [True] * (len(MOVED) - 1) + [False]


def test_accepted_and_moved_while_it_is_held(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    content, secret = payload(marker, SIZE), [ports.require() for _ in MOVED]
    servers = Accepting(node_b, MOVED, secret, content)
    clients = [node_a.start(partial(dial, way=IPV4, port=port, talk=sends_first, content=content)) for port in secret]
    node_a.await_events("Secured", len(MOVED))
    with stopped(node_b):
        servers.go()
    moved(servers.jobs, clients, content)
    wire.secured(marker, *secret, flows=len(MOVED))
    assert not node_b.events("Refused") and len(node_b.await_events("Secured", len(MOVED))) == len(MOVED)


@pytest.mark.agents(node_a=GATE)
def test_connected_and_moved_while_it_is_held(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    secret, content = [ports.require() for _ in MOVED], payload(marker, SIZE)
    warm(node_a, node_b, ports.require())
    serving = partial(serve, way=IPV4, talk=sends_first, content=content)
    servers = [node_b.start(partial(serving, port=port)) for port in secret]
    assert {server.heard() for server in servers} == {"listening"}
    with stopped(node_b):
        clients = dialling(node_a, MOVED, secret, content)
    moved(clients, servers, content)
    wire.secured(marker, *secret, flows=len(MOVED))
    assert not node_a.events("Refused")


def hears(_say: Say, port: int, talk: Talk, content: bytes) -> bytes:
    """A client of somebody who is gone; what it received."""
    with suppress(ConnectionError):
        return dial(_say, IPV4, port, talk, content)
    return b""


def can_ask_threads() -> bool:
    """Whether this kernel gives descriptors of a thread that is no main one."""
    try:
        os.close(os.pidfd_open(os.getpid(), PIDFD_THREAD))
    except OSError:
        return False
    return True


def test_a_process_whose_main_thread_has_ended(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    """Nobody can have its socket before Linux 6.9; then it is refused, and not in clear."""
    port, content = ports.require(), payload(marker, SIZE)
    server = Accepting(node_b, [odd_hands.without_main_thread], [port], content)
    client = node_a.start(partial(hears, port=port, talk=sends_first, content=content))
    server.go()
    wanted = content if can_ask_threads() else b""
    assert (server.jobs[0].result(), client.result()) == (wanted, wanted)
    node_b.await_closed(1)
    assert len(node_b.events("Refused")) == int(not can_ask_threads()), node_b.events()
    wire.secret(marker, port)
