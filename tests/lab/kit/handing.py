# SPDX-License-Identifier: Apache-2.0
"""A connection that goes to another process before its first byte: over a Unix socket, or by being inherited."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable

from tests.lab.kit.job import Say
from tests.lab.kit.ports import Way
from tests.lab.kit.talk import Talk, accept, listener

Use = Callable[[socket.socket], bytes]
Hand = Callable[[Use], Use]


class Heir:
    """A process that gets a socket and uses it."""

    def __init__(self, use: Use, get: Callable[[], socket.socket]) -> None:
        self._out, into = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._out)
            with open(into, "wb") as pipe, get() as sock:
                pipe.write(use(sock))
            os._exit(0)
        os.close(into)

    def result(self) -> bytes:
        """What it received."""
        with open(self._out, "rb") as pipe:
            got = pipe.read()
        status = os.waitpid(self._pid, 0)[1]
        assert status == 0, f"the process that got the connection ended with {status}"
        return got


class Passed:
    """Sent over a Unix socket (SCM_RIGHTS) to a process that was there before, and closed here at once."""

    def __init__(self, use: Use) -> None:
        self._near, far = socket.socketpair()
        self._heir = Heir(use, lambda: socket.socket(fileno=socket.recv_fds(far, 1, 1)[1][0]))

    def __call__(self, sock: socket.socket) -> bytes:
        """Hand it over; what the other process received."""
        socket.send_fds(self._near, [b"!"], [sock.fileno()])
        sock.close()
        return self._heir.result()


class Inherited:
    """Left to a child, and closed here at once."""

    def __init__(self, use: Use) -> None:
        self._use = use

    def __call__(self, sock: socket.socket) -> bytes:
        """Hand it over; what the child received."""
        heir = Heir(self._use, lambda: sock)
        sock.close()
        return heir.result()


def serve_handed(say: Say, way: Way, port: int, talk: Talk, content: bytes, *, hand: Hand) -> bytes:
    """One connection, handed over when it is accepted."""
    give = hand(lambda sock: talk(sock, content))
    with listener(way, port) as door:
        say("listening")
        return give(accept(door))


def dial_handed(_say: Say, way: Way, port: int, talk: Talk, content: bytes, *, hand: Hand) -> bytes:
    """One connection, handed over when it is made."""
    give = hand(lambda sock: talk(sock, content))
    return give(socket.create_connection((way.host, port)))


def after(seconds: float, talk: Talk) -> Talk:
    """Say nothing for so long, then talk."""

    def late(sock: socket.socket, content: bytes) -> bytes:
        time.sleep(seconds)
        return talk(sock, content)

    return late
