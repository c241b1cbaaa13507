# SPDX-License-Identifier: Apache-2.0
"""A process of the client: makes its connection, waits for the others, does its share of the work, and tells."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from socket import socket

from tlshub_core.benching import child
from tlshub_core.benching.echoes import Echoes
from tlshub_core.benching.way import Way


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one process does: `count` requests of `size` bytes on one connection, or with `fresh` on one each.

    `warm_up` requests come before, on the first connection, and are not measured.
    """

    way: Way
    count: int
    size: int
    fresh: bool
    warm_up: int
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The connection is up and warm: its own end's address and port, and the TLS suite where TLS is talked."""

    address: str
    port: int
    suite: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """Begin and end on CLOCK_MONOTONIC, and how long each request took; nanoseconds."""

    began: int
    ended: int
    took: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """Why it did not."""

    message: str


def work(parent: int, share: Share, pipe: Connection) -> None:
    """Say Ready, wait for any word, say Done; or Failed instead of either."""
    try:
        child.begin(parent)
        pipe.send(_worked(share, pipe))
    except (OSError, ValueError) as error:
        pipe.send(Failed(message=str(error) or type(error).__name__))
    except EOFError:
        return  # whoever waited for the outcome has gone


def _worked(share: Share, pipe: Connection) -> Done:
    context, echoes = share.way.context(), Echoes(share.size, share.seed)
    with share.way.dial(context) as sock:
        for _ in range(max(1, share.warm_up)):
            echoes.one(sock)
        pipe.send(_ready(sock))
        pipe.recv()
        if not share.fresh:
            return _timed(lambda: echoes.one(sock), share.count)
    return _timed(lambda: _fresh(share.way, context, echoes), share.count)


def _timed(once: Callable[[], int], count: int) -> Done:
    began = time.perf_counter_ns()
    took = [once() for _ in range(count)]
    return Done(began=began, ended=time.perf_counter_ns(), took=took)


def _fresh(way: Way, context: ssl.SSLContext | None, echoes: Echoes) -> int:
    began = time.perf_counter_ns()
    with way.dial(context) as sock:
        echoes.one(sock)
        return time.perf_counter_ns() - began


def _ready(sock: socket) -> Ready:
    address, port = sock.getsockname()[:2]
    suite = sock.cipher() if isinstance(sock, ssl.SSLSocket) else None
    return Ready(address=address, port=port, suite=suite[0] if suite else "")
