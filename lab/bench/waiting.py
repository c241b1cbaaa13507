# SPDX-License-Identifier: Apache-2.0
"""Clients whose keys come late, because the other node's agent is stopped for a while: are their threads asleep?"""

from __future__ import annotations

import signal
import socket
import time
from functools import partial

from bench.measurement import Wait
from tests.lab.kit.job import Say
from tests.lab.kit.node import Node

STOPPED_S = 1.2
LONG_S = 1.0
WARM_S = 0.1  # the default of 'warm_ms': later than that after an answer, a client does not rely on another one


def client(say: Say, host: str, port: int) -> list[tuple[str, float, float]]:
    """Connect and fetch a page; for each of the two: its name, its seconds, the seconds on a core."""
    with socket.socket() as sock:
        say("begins")
        return [
            ("connect", *_timed(partial(sock.connect, (host, port)))),
            ("gate", *_timed(partial(_fetch, sock))),
        ]


def _fetch(sock: socket.socket) -> None:
    sock.sendall(b"GET /small HTTP/1.0\r\n\r\n")
    while sock.recv(65536):
        continue


def _timed(call: partial[None]) -> tuple[float, float]:
    began, burnt = time.monotonic(), time.process_time()
    call()
    return time.monotonic() - began, time.process_time() - burnt


def wait(node_a: Node, node_b: Node, port: int, found: str) -> list[Wait]:
    """Stop node-b's agent while a client of node-a connects, and finds that; the long waits of its only thread."""
    time.sleep(2 * WARM_S)
    node_b.agent.signal(signal.SIGSTOP)
    try:
        job = node_a.start(partial(client, host=node_b.ipv4, port=port))
        job.heard()
        time.sleep(STOPPED_S)
    finally:
        node_b.agent.signal(signal.SIGCONT)
    waits = [Wait(place=f"{place}, {found}", seconds=took, cpu_seconds=burnt) for place, took, burnt in job.result()]
    return [one for one in waits if one.seconds >= LONG_S]
