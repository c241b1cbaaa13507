# SPDX-License-Identifier: Apache-2.0
"""Listeners that the kernel hands a connection late to: deferred until data has come, and with SYN cookies."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.lab.kit.job import Job, Say
from tests.lab.kit.node import Node
from tests.lab.kit.ports import DUAL, IPV4, IPV6, Ports, Way
from tests.lab.kit.talk import Talk, accept, converse, listener, payload, receives_first, sends_first
from tests.lab.kit.wire import Wire

LATE_S, DEFERRED_S = 2.0, 3
COOKIES = Path("/proc/sys/net/ipv4/tcp_syncookies")


def serve_deferred(say: Say, way: Way, port: int, talk: Talk, content: bytes, count: int) -> list[bytes]:
    """A listener with TCP_DEFER_ACCEPT, which wakes when data has come, or late."""
    with listener(way, port) as door:
        door.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, DEFERRED_S)
        say("listening")
        found = []
        for _ in range(count):
            with accept(door) as sock:
                found.append(talk(sock, content))
        return found


def dial_silently(_say: Say, way: Way, port: int, talk: Talk, content: bytes, pause: float) -> bytes:
    """Connect, wait, and only then talk."""
    with socket.create_connection((way.host, port)) as sock:
        time.sleep(pause)
        return talk(sock, content)


def test_a_listener_that_wakes_when_data_has_come(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    content, secret, control = payload(marker), [ports.require() for _ in range(3)], ports.bypass()
    orders = (
        (secret[0], receives_first, sends_first, 0.0),
        (secret[1], receives_first, sends_first, LATE_S),
        (secret[2], sends_first, receives_first, 0.0),
        (control, sends_first, receives_first, 0.0),
    )
    jobs: list[Job[bytes]] = []
    servers = []
    for port, server, client, pause in orders:
        serving = partial(serve_deferred, way=IPV4, port=port, talk=server, content=content, count=1)
        servers.append(node_b.start(serving))
        assert servers[-1].heard() == "listening"
        jobs.append(
            node_a.start(partial(dial_silently, way=IPV4, port=port, talk=client, content=content, pause=pause))
        )
    assert [job.result() == content for job in jobs] == [True] * len(orders)
    assert [job.result() == [content] for job in servers] == [True] * len(orders)
    wire.secured(marker, *secret, flows=len(secret))
    wire.clear(marker, control)


@contextmanager
def cookies(node: Node, when: int) -> Iterator[None]:
    """0: no SYN is answered with a cookie; 2: every one (net.ipv4.tcp_syncookies, for IPv6 too)."""

    def set_to(_say: Say, value: str) -> str:
        before = COOKIES.read_text()
        COOKIES.write_text(value)
        return before

    before = node.start(partial(set_to, value=str(when))).result()
    try:
        yield
    finally:
        node.start(partial(set_to, value=before)).result()


def _cookies_received(node: Node) -> int:
    """How many connections began with a cookie in this node (/proc/net/netstat, TcpExt)."""

    def read(_say: Say) -> str:
        return Path("/proc/net/netstat").read_text()

    names, values = node.start(read).result().splitlines()[:2]
    return int(dict(zip(names.split(), values.split(), strict=True))["SyncookiesRecv"])


def test_connections_that_begin_with_a_cookie(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    content, ways = payload(marker), (IPV4, IPV6, DUAL)
    secret, control = [ports.require() for _ in ways], ports.bypass()
    before = _cookies_received(node_b)
    with cookies(node_b, 2):
        orders = ((sends_first, receives_first), (receives_first, sends_first), (sends_first, receives_first))
        talks = [
            converse(node_a, node_b, way, port, *order, content)
            for way, port, order in zip((*ways, IPV4), (*secret, control), (*orders, orders[0]), strict=True)
        ]
        for talk in talks:
            talk.check()
    assert _cookies_received(node_b) - before == len(ways) + 1
    wire.secured(marker, *secret, flows=len(ways))
    wire.clear(marker, control)
