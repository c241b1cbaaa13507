# SPDX-License-Identifier: Apache-2.0
"""A connection that may fail, but brings no byte that nobody sent: whether it went well, and how long it took."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from tests.lab.kit.job import Say
from tests.lab.kit.node import Node
from tests.lab.kit.ports import Way
from tests.lab.kit.talk import Talk, dial, receives_first, sends_first, serve


def went_well(talk: Callable[[], bytes], content: bytes) -> bool:
    """Whether all of it arrived; what arrived instead has to be the beginning of it."""
    try:
        got = talk()
    except OSError:
        return False
    assert content.startswith(got), f"{len(got)} of {len(content)} bytes arrived, and not the first"
    return len(got) == len(content)


def try_to(say: Say, way: Way, port: int, content: bytes, talk: Talk = sends_first) -> tuple[bool, float]:
    """Connect and talk; whether it went well, and how many seconds it took."""
    began = time.monotonic()
    good = went_well(partial(dial, say, way, port, talk, content), content)
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
