# SPDX-License-Identifier: Apache-2.0
"""A process for each connection, at either end: begun, a line each way, gone."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from functools import partial

from tests.lab.kit.handing import start_child
from tests.lab.kit.job import Say
from tests.lab.kit.ports import Way
from tests.lab.kit.talk import accept, listener, take


def line_of(marker: bytes, number: int, size: int) -> bytes:
    """A line of that size, which no other connection says."""
    return b"%s %d " % (marker, number) + b"\n" * (size - len(marker) - len(str(number)) - 2)


def storm(_say: Say, way: Way, port: int, marker: bytes, size: int, count: int, most: int) -> int:
    """So many, of which no more than `most` at once; how many got their echo."""
    running, good = 0, 0
    for number in range(count):
        if running == most:
            good += _ended()
            running -= 1
        start_child(partial(_exit, partial(_ask, way, port, line_of(marker, number, size))))
        running += 1
    return good + sum(_ended() for _ in range(running))


def _ask(way: Way, port: int, line: bytes) -> bool:
    with socket.socket(way.family) as sock:
        sock.connect((way.host, port))
        sock.sendall(line)
        return take(sock, len(line)) == line


def serve_by_children(say: Say, way: Way, port: int, size: int, count: int) -> int:
    """Leave each of so many to a child, which echoes a line; how many of these received one."""
    good = running = 0
    with listener(way, port) as door:
        say("listening")
        for _ in range(count):
            with accept(door) as sock:
                start_child(partial(_exit, partial(_echo, sock, size)))
            running += 1
            while running > 0 and (ended := os.waitpid(-1, os.WNOHANG))[0]:
                running, good = running - 1, good + (ended[1] == 0)
    return good + sum(_ended() for _ in range(running))


def _echo(sock: socket.socket, size: int) -> bool:
    line = take(sock, size)
    sock.sendall(line)
    return len(line) == size


def _exit(does: Callable[[], bool]) -> None:
    """The status of this process says whether it went well."""
    os._exit(0 if does() else 1)


def _ended() -> bool:
    return os.wait()[1] == 0
