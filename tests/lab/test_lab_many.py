# SPDX-License-Identifier: Apache-2.0
"""Many connections: a hundred at once, more than the table holds, and two with the same addresses and ports."""

from __future__ import annotations

import socket
import struct
import time
from functools import partial

import pytest

from tests.lab.kit.crowd import dial_many, echo_many
from tests.lab.kit.job import Say
from tests.lab.kit.node import Node
from tests.lab.kit.ports import IPV4, Ports, Way
from tests.lab.kit.talk import Talk, accept, listener, payload, sends_first, take
from tests.lab.kit.wire import Wire

MANY, TOO_MANY, TABLE = 100, 40, 16
FIXED_PORT = 40_001
ABRUPT = struct.pack("=ii", 1, 0)


def test_a_hundred_at_once(node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes) -> None:
    port, content = ports.require(), payload(marker, 2000)
    server = node_b.start(partial(echo_many, way=IPV4, port=port, size=len(content), count=MANY))
    assert server.heard() == "listening"
    client = node_a.start(partial(dial_many, way=IPV4, port=port, content=content, count=MANY))
    assert client.result(120) == (MANY, 0)
    assert server.result() == MANY
    wire.secured(marker, port, flows=MANY)
    for node in (node_a, node_b):
        assert len(node.await_events("Secured", MANY)) == MANY and not node.events("Refused", "ReleasedClear")


@pytest.mark.agents(node_a={"capture.table_size": str(TABLE)})
def test_what_does_not_fit_into_the_table_is_refused(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    port, content = ports.require(), payload(marker, 2000)
    server = node_b.start(partial(echo_many, way=IPV4, port=port, size=len(content), count=TOO_MANY, quiet=8))
    assert server.heard() == "listening"
    client = node_a.start(partial(dial_many, way=IPV4, port=port, content=content, count=TOO_MANY))
    good, bad = client.result()
    assert 0 < good <= TABLE and bad == TOO_MANY - good, (good, bad)
    wire.secret(marker, port)
    assert len(node_a.events("Secured")) == good


def dial_bound(_say: Say, way: Way, port: int, talk: Talk, content: bytes) -> bytes:
    with socket.socket(way.family) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABRUPT)
        sock.bind(("", FIXED_PORT))
        sock.connect((way.host, port))
        return talk(sock, content)


def serve_twice(say: Say, way: Way, port: int, content: bytes) -> list[bytes]:
    with listener(way, port) as sock:
        say("listening")
        found = []
        for _ in range(2):
            with accept(sock) as connection:
                found.append(take(connection, len(content)))
                connection.sendall(content)
                time.sleep(0.5)
    return found


def test_the_same_bytes_between_the_same_ports_are_never_encrypted_alike(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    port, content = ports.require(), payload(marker, 4000)
    server = node_b.start(partial(serve_twice, way=IPV4, port=port, content=content))
    assert server.heard() == "listening"
    for _ in range(2):
        client = node_a.start(partial(dial_bound, way=IPV4, port=port, talk=sends_first, content=content))
        assert client.result() == content
    assert server.result() == [content, content]
    wire.secret(marker, port)
    first, second = wire.streams(port)
    blocks = [
        {stream[at : at + 16] for stream in pair for at in range(5, len(stream) - 16)} for pair in (first, second)
    ]
    assert min(map(len, blocks)) > len(content) and not blocks[0] & blocks[1]
