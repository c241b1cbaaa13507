# SPDX-License-Identifier: Apache-2.0
"""Listeners with many at the door: shared by two processes, with a full queue, and with five hundred at once."""

from __future__ import annotations

import socket
import time
from functools import partial

import pytest

from tests.lab.kit.crowd import dial_many, echo_many
from tests.lab.kit.job import Say
from tests.lab.kit.node import Node
from tests.lab.kit.ports import DUAL, IPV4, IPV6, Ports, Way
from tests.lab.kit.stress import turns
from tests.lab.kit.talk import accept, listener, payload
from tests.lab.kit.wire import Wire
from tests.lab.test_lab_listening import cookies

CROWD, CLIENTS, SHARED = 500, 6, 24
LATE_S, QUIET_S = 2.0, 4.0


def echo_shared(say: Say, port: int, size: int) -> int:
    """One of several processes that listen to the same port (SO_REUSEPORT); how many it served, until told to end."""
    with socket.socket() as door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        door.bind((IPV4.host, port))
        door.listen(SHARED)
        door.settimeout(QUIET_S)
        say("listening")
        served = 0
        while True:
            try:
                sock = accept(door)
            except TimeoutError:
                return served
            with sock:
                sock.sendall(sock.recv(size, socket.MSG_WAITALL))
                served += 1


def test_two_processes_that_listen_to_one_port(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    port, content = ports.require(), payload(marker, 2000)
    servers = [node_b.start(partial(echo_shared, port=port, size=len(content))) for _ in range(2)]
    assert [server.heard() for server in servers] == ["listening"] * 2
    client = node_a.start(partial(dial_many, way=IPV4, port=port, content=content, count=SHARED))
    assert client.result() == (SHARED, 0)
    served = [server.result() for server in servers]
    assert sum(served) == SHARED and min(served) > 0, served
    wire.secured(marker, port, flows=SHARED)


def echo_late(say: Say, way: Way, port: int, size: int, count: int) -> int:
    """A queue of one, and nobody accepts for a while."""
    with listener(way, port, 1) as door:
        say("listening")
        time.sleep(LATE_S)
        for _ in range(count):
            with accept(door) as sock:
                sock.sendall(sock.recv(size, socket.MSG_WAITALL))
        return count


@pytest.mark.parametrize("way", [IPV4, IPV6], ids=lambda way: way.name)
def test_a_queue_that_is_full(node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, way: Way) -> None:
    content, secret, control = payload(marker, 2000), ports.require(), ports.bypass()
    jobs = []
    with cookies(node_b, 0):  # with them plain TCP too resets some: their SYNs are answered where there is no room
        for port in (secret, control):
            server = node_b.start(partial(echo_late, way=way, port=port, size=len(content), count=CLIENTS))
            assert server.heard() == "listening"
            jobs.append((server, node_a.start(partial(dial_many, way=way, port=port, content=content, count=CLIENTS))))
        found = [client.result(120) for _, client in jobs]
    refused = node_a.events("Refused") + node_b.events("Refused")
    assert found == [(CLIENTS, 0)] * 2 and not refused, (found, refused)
    assert [server.result() for server, _ in jobs] == [CLIENTS] * 2
    wire.secured(marker, secret, flows=CLIENTS)
    wire.clear(marker, control)


@turns(10)
def test_five_hundred_at_once(node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes) -> None:
    port, content = ports.require(), payload(marker, 2000)
    server = node_b.start(partial(echo_many, way=DUAL, port=port, size=len(content), count=CROWD))
    assert server.heard() == "listening"
    clients = [
        node_a.start(partial(dial_many, way=way, port=port, content=content, count=CROWD // 2)) for way in (IPV4, IPV6)
    ]
    found = [client.result(180) for client in clients]
    assert found == [(CROWD // 2, 0)] * 2, (found, node_a.events("Refused")[:3], node_b.events("Refused")[:3])
    assert server.result() == CROWD
    wire.secured(marker, port, flows=CROWD)
    for node in (node_a, node_b):
        assert len(node.await_events("Secured", CROWD)) == CROWD and not node.events("Refused", "ReleasedClear")
