# SPDX-License-Identifier: Apache-2.0
"""Connections by the thousand: all open at once, or one after the other; and what the agents need for them."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Mapping
from functools import partial

from bench.cpu import resident

from tests.lab.kit.chat import Flag
from tests.lab.kit.crowd import step
from tests.lab.kit.job import Job, Say
from tests.lab.kit.node import Node
from tests.lab.kit.polling import begun
from tests.lab.kit.ports import Way
from tests.lab.kit.talk import dial, listener, sends_first

UNDER_WAY = 128  # that many wait for their echo at a time: no more than a listener's queue has room for
QUIET_S = 180.0


def keep_all(say: Say, way: Way, port: int, content: bytes, count: int, *, enough: Flag) -> int:
    """So many connections, all open until there is enough of them, each echoed once; how many were, bit for bit."""
    good, begun_ones = 0, list[socket.socket]()
    with selectors.DefaultSelector() as waiting:
        while good < count:
            while len(begun_ones) < min(count, good + UNDER_WAY):
                begun_ones.append(begun(way, port))
                waiting.register(begun_ones[-1], selectors.EVENT_WRITE, bytearray())
            ready = waiting.select(QUIET_S)
            assert ready, f"{good} of {count} were echoed, then nothing happened for {QUIET_S} s"
            outcomes = [step(key, bits, waiting, content) for key, bits in ready]
            assert False not in outcomes, f"after {good} of {count}: one failed, or brought other bytes"
            good += outcomes.count(True)
    say(good)
    while not enough.is_set():
        time.sleep(0.1)
    for sock in begun_ones:
        sock.close()
    return good


def echo_all(say: Say, way: Way, port: int, count: int) -> int:
    """Echo on as many connections as come, until so many of them have ended; the most that were open at once."""
    open_now = most = ended = 0
    with listener(way, port, UNDER_WAY) as door, selectors.DefaultSelector() as waiting:
        door.setblocking(False)
        waiting.register(door, selectors.EVENT_READ)
        say("listening")
        while ended < count:
            for key, _ in waiting.select(QUIET_S):
                if key.fileobj is door:
                    sock = door.accept()[0]
                    sock.setblocking(False)
                    waiting.register(sock, selectors.EVENT_READ)
                    open_now, most = open_now + 1, max(most, open_now + 1)
                elif _echoed_or_ended(waiting, key):
                    open_now, ended = open_now - 1, ended + 1
    return most


def _echoed_or_ended(waiting: selectors.BaseSelector, key: selectors.SelectorKey) -> bool:
    sock = key.fileobj
    assert isinstance(sock, socket.socket)
    try:
        chunk = sock.recv(65536)
        if chunk:
            sock.setblocking(True)  # what came in was let through, so what goes out is
            sock.sendall(chunk)
            sock.setblocking(False)
            return False
    except BlockingIOError:
        return False
    waiting.unregister(sock)
    sock.close()
    return True


def dial_in_a_row(say: Say, way: Way, port: int, content: bytes, count: int, seconds: float) -> int:
    """One after the other, so many or for so long; how many, where every one got its echo bit for bit."""
    until = time.monotonic() + seconds
    done = 0
    while done < count and time.monotonic() < until:
        assert dial(say, way, port, sends_first, content) == content, f"connection {done}"
        done += 1
    return done


def in_a_row(node_a: Node, ways: Mapping[int, Way], content: bytes, count: int, seconds: float) -> list[Job[int]]:
    """A client for each of these ports, each with its share of `count`."""
    share = partial(dial_in_a_row, content=content, count=count // len(ways), seconds=seconds)
    return [node_a.start(partial(share, way=way, port=port)) for port, way in ways.items()]


def megabytes(*nodes: Node) -> dict[str, float]:
    """What their agents have in memory."""
    return {node.name: round(resident(node.agent.pid), 1) for node in nodes}
