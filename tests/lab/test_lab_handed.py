# SPDX-License-Identifier: Apache-2.0
"""Connections that change hands before the agent could take the descriptor from whom it was reported for."""

from __future__ import annotations

import select
import socket
import time
from functools import partial

import pytest

from tests.lab.kit.chat import Flag
from tests.lab.kit.handing import Hand, bystanders, dial_handed, inherited, orphaned, passed, serve_handed
from tests.lab.kit.hold import GATE, stopped, warm
from tests.lab.kit.job import Job
from tests.lab.kit.node import Node
from tests.lab.kit.polling import by_poll, edge_reader, level
from tests.lab.kit.ports import IPV4, Ports
from tests.lab.kit.rounds import rounds
from tests.lab.kit.slow import hold_s
from tests.lab.kit.talk import QUIET_S, Talk, dial, payload, receives_first, sends_first, serve
from tests.lab.kit.wire import Wire

DEADLINE_S, IDLE_S, SOON_S = 2.0, 4.0, 1.5
SHORT = {"capture.gate_deadline_ms": str(int(DEADLINE_S * 1000))}
OTHERS = 5


def late(talk: Talk) -> Talk:
    """Say nothing for longer than the gate's deadline, then talk."""

    def later(sock: socket.socket, content: bytes) -> bytes:
        time.sleep(IDLE_S)
        return talk(sock, content)

    return later


def says_nothing(_sock: socket.socket, content: bytes) -> bytes:
    """Be there for a while, and close."""
    time.sleep(IDLE_S)
    return content


def hears_the_end(sock: socket.socket, content: bytes) -> bytes:
    """Wait by poll() for what comes, which is the end."""
    began, poll = time.monotonic(), select.poll()
    poll.register(sock, select.POLLIN)
    assert poll.poll(QUIET_S * 1000) and sock.recv(1) == b""
    assert time.monotonic() - began < 3 * IDLE_S, "the end was kept back"
    return content


SERVERS: tuple[tuple[Hand, Talk, Talk], ...] = (
    # how it is handed over, what the client says, what the process says that gets it
    (passed, late(sends_first), level(by_poll)),
    (inherited, late(sends_first), edge_reader),
    (orphaned, late(sends_first), level(by_poll)),
    (partial(passed, late_s=IDLE_S), sends_first, receives_first),
    (passed, says_nothing, hears_the_end),
    (orphaned, says_nothing, hears_the_end),
)
CLIENTS: tuple[tuple[Hand, Talk, Talk], ...] = (
    # how it is handed over, what the process says that gets it, what the server says
    (passed, edge_reader, late(sends_first)),
    (inherited, level(by_poll), late(sends_first)),
    (orphaned, hears_the_end, says_nothing),
)


def check(jobs: list[Job[bytes]], content: bytes) -> None:
    assert [job.result() == content for job in jobs] == [True] * len(jobs)


@pytest.mark.agents(node_a={}, node_b=SHORT)
def test_accepted_and_handed_over(node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes) -> None:
    content, secret, go = payload(marker, 20_000), [ports.require() for _ in SERVERS], Flag()
    assert node_b.start(bystanders).heard() == "all are there"
    servers, clients = [], []
    for port, (hand, says, answers) in zip(secret, SERVERS, strict=True):
        server = partial(serve_handed, way=IPV4, port=port, talk=answers, content=content, hand=hand, go=go)
        servers.append(node_b.start(server))
        assert servers[-1].heard() == "listening"
        clients.append(node_a.start(partial(dial, way=IPV4, port=port, talk=says, content=content)))
    node_a.await_events("Secured", len(SERVERS))
    time.sleep(1)  # by now the other agent has its keys, and waits for somebody to accept
    with stopped(node_b):
        go.set()
        assert {server.heard() for server in servers} == {"handed over"}
    others = rounds(node_a, node_b, IPV4, ports.require(), sends_first, receives_first, content, OTHERS)
    others.check()
    check([*clients, *servers], content)
    wire.secret(marker, *secret)
    held = [hold_s(event) for event in node_b.await_events("Secured", len(SERVERS) + OTHERS)]
    assert sum(one > SOON_S for one in held) <= len(SERVERS), f"others were delayed: {held}"
    assert not node_b.events("Refused")


@pytest.mark.agents(node_a={**GATE, **SHORT})
def test_connected_and_handed_over(node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes) -> None:
    content, secret = payload(marker, 20_000), [ports.require() for _ in CLIENTS]
    warm(node_a, node_b, ports.require())
    servers, clients = [], []
    for port, (_, _, answers) in zip(secret, CLIENTS, strict=True):
        servers.append(node_b.start(partial(serve, way=IPV4, port=port, talk=answers, content=content)))
        assert servers[-1].heard() == "listening"
    with stopped(node_a):
        for port, (hand, says, _) in zip(secret, CLIENTS, strict=True):
            clients.append(
                node_a.start(partial(dial_handed, way=IPV4, port=port, talk=says, content=content, hand=hand))
            )
        assert {client.heard() for client in clients} == {"handed over"}
    check([*clients, *servers], content)
    wire.secret(marker, *secret)
    assert not node_a.events("Refused")
