# SPDX-License-Identifier: Apache-2.0
"""A connection that goes to another process before its first byte: over a Unix socket, or by being inherited."""

from __future__ import annotations

import os
import socket
import time
import traceback
from collections.abc import Callable
from functools import partial

from tests.lab.kit.chat import Flag
from tests.lab.kit.job import Say
from tests.lab.kit.ports import Way
from tests.lab.kit.talk import Talk, accept, listener

Get = Callable[[], socket.socket]
Use = Callable[[socket.socket], bytes]
Hand = Callable[[Say, Get, Use], bytes]  # get it, hand it over, say so; what the other process received
BYSTANDERS, DESCRIPTORS = 200, 50


def start_child(does: Callable[[], None]) -> int:
    """A child that does that, and ends; its process."""
    pid = os.fork()
    if pid == 0:
        try:
            does()
            os._exit(0)
        except BaseException:  # noqa: BLE001 - shown; whoever waits for what this process received gets nothing
            traceback.print_exc()
        finally:
            os._exit(1)
    return pid


def write_use(into: int, get: Get, use: Use) -> None:
    """Get it and use it; what was received goes into that pipe."""
    with open(into, "wb") as pipe, get() as sock:
        pipe.write(use(sock))


def result_of(out: int, into: int, child: int) -> bytes:
    """What a child wrote into the pipe until it ended."""
    os.close(into)
    with open(out, "rb") as pipe:
        got = pipe.read()
    os.waitpid(child, 0)
    return got


def _received(door: socket.socket, late_s: float) -> socket.socket:
    time.sleep(late_s)
    return socket.socket(fileno=socket.recv_fds(door, 1, 1)[1][0])


def passed(say: Say, get: Get, use: Use, late_s: float = 0.0) -> bytes:
    """Sent over a Unix socket (SCM_RIGHTS) to a process that was there before, and closed here at once."""
    near, far = socket.socketpair()
    out, into = os.pipe()
    child = start_child(partial(write_use, into, partial(_received, far, late_s), use))
    with get() as sock:
        socket.send_fds(near, [b"!"], [sock.fileno()])
    say("handed over")
    return result_of(out, into, child)


def inherited(say: Say, get: Get, use: Use) -> bytes:
    """Left to a child, and closed here at once."""
    out, into = os.pipe()
    with get() as sock:
        child = start_child(partial(write_use, into, lambda: sock, use))
    say("handed over")
    return result_of(out, into, child)


def orphaned(say: Say, get: Get, use: Use) -> bytes:
    """Left to a child by a process that ends."""
    out, into = os.pipe()

    def leaves() -> None:
        sock = get()
        start_child(partial(write_use, into, lambda: sock, use))

    parent = start_child(leaves)
    os.waitid(os.P_PID, parent, os.WEXITED | os.WNOWAIT)
    say("handed over")
    return result_of(out, into, parent)


def serve_handed(say: Say, way: Way, port: int, talk: Talk, content: bytes, *, hand: Hand, go: Flag) -> bytes:
    """One connection, which waits in the backlog until told, handed over when it is accepted."""
    with listener(way, port) as door:
        say("listening")
        while not go.is_set():
            time.sleep(0.05)
        return hand(say, partial(accept, door), partial(talk, content=content))


def dial_handed(say: Say, way: Way, port: int, talk: Talk, content: bytes, *, hand: Hand) -> bytes:
    """One connection, handed over when it is made."""
    return hand(say, partial(socket.create_connection, (way.host, port)), partial(talk, content=content))


def bystanders(say: Say) -> None:
    """Many processes with many descriptors each, which have nothing to do with anything; they end with this one."""
    door, ours = os.pipe()

    def stands() -> None:
        os.close(ours)
        kept = [socket.socketpair() for _ in range(DESCRIPTORS // 2)]
        os.read(door, 1)
        del kept

    for _ in range(BYSTANDERS):
        start_child(stands)
    say("all are there")
    time.sleep(600)
