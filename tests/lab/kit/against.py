# SPDX-License-Identifier: Apache-2.0
"""One connection, on which a client tries calls: what it finds, beside what it finds where nothing is captured."""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import partial

from tests.lab.kit.job import Say
from tests.lab.kit.node import Node
from tests.lab.kit.ports import IPV4
from tests.lab.kit.talk import Talk, serve, take

Client = Callable[[socket.socket], object]
SHORT = 100


def drains(sock: socket.socket, _content: bytes) -> bytes:
    """Read to the end."""
    sock.sendall(b".")
    return take(sock, 1 << 20)


def against(node_a: Node, node_b: Node, port: int, client: Client, server: Talk, content: bytes = b"") -> object:
    """What the client finds on a connection to such a server, once it has been greeted."""

    def dials(_say: Say) -> object:
        with socket.create_connection((IPV4.host, port)) as sock:
            assert sock.recv(1) == b"."
            return client(sock)

    serving = node_b.start(partial(serve, way=IPV4, port=port, talk=server, content=content))
    assert serving.heard() == "listening"
    return node_a.start(dials).result()


def short_records(sock: socket.socket, content: bytes) -> bytes:
    """A greeting, and then one record after the other, each by itself."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(b".")
    for at in range(0, len(content), SHORT):
        sock.sendall(content[at : at + SHORT])
    return take(sock, 1)
