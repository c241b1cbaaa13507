# SPDX-License-Identifier: Apache-2.0
"""A connection that may fail: whether it went well, and how long it took."""

from __future__ import annotations

import socket
import time
from functools import partial

from tests.lab.kit.job import Say
from tests.lab.kit.node import Node
from tests.lab.kit.ports import Way
from tests.lab.kit.talk import Talk, receives_first, sends_first, serve


def try_to(_say: Say, way: Way, port: int, content: bytes) -> tuple[bool, float]:
    """Talk; whether it went well, and how many seconds it took."""
    began = time.monotonic()
    with socket.socket(way.family) as sock:
        try:
            sock.connect((way.host, port))
            good = sends_first(sock, content) == content
        except OSError:
            good = False
    return good, time.monotonic() - began


def serve_whom_it_may(say: Say, way: Way, port: int, talk: Talk, content: bytes) -> bytes:
    """As `serve`, for connections that are to fail."""
    try:
        return serve(say, way, port, talk, content)
    except OSError:
        return b""


def attempt(node_a: Node, node_b: Node, way: Way, port: int, content: bytes) -> tuple[bool, float]:
    """A client in `node_a` that talks to a server in `node_b`; as `try_to`."""
    server = node_b.start(partial(serve_whom_it_may, way=way, port=port, talk=receives_first, content=content))
    assert server.heard() == "listening"
    return node_a.start(partial(try_to, way=way, port=port, content=content)).result()
