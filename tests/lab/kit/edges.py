# SPDX-License-Identifier: Apache-2.0
"""A server that lives on edges, as nginx does, and a client that leaves its request in the queue before it is read."""

from __future__ import annotations

import select
import socket

from tests.lab.kit.job import Say
from tests.lab.kit.ports import Way
from tests.lab.kit.talk import listener

ANSWER = b"."
STUCK_S = 15.0


def answer_by_edges(say: Say, way: Way, port: int, size: int, count: int) -> int:
    """Discard `size` bytes of each connection by edges of EPOLLIN alone, then answer; how many were answered."""
    answered, open_ones = 0, dict[int, tuple[socket.socket, int]]()
    with listener(way, port) as door, select.epoll() as poll:
        poll.register(door, select.EPOLLIN)
        say("listening")
        while answered < count and (found := poll.poll(STUCK_S)):
            for number, _ in found:
                if number == door.fileno():
                    sock = door.accept()[0]
                    sock.setblocking(False)
                    open_ones[sock.fileno()] = (sock, 0)
                    poll.register(sock, select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET)
                elif number in open_ones:
                    answered += _discard(open_ones, number, size)
    for sock, _ in open_ones.values():
        sock.close()
    return answered


def _discard(open_ones: dict[int, tuple[socket.socket, int]], number: int, size: int) -> bool:
    (sock, got), answered = open_ones[number], False
    try:
        while chunk := sock.recv(65536):
            got += len(chunk)
            if got == size:
                sock.send(ANSWER)
                answered = True
    except BlockingIOError:
        open_ones[number] = (sock, got)
    else:
        sock.close()
        del open_ones[number]
    return answered


def ask_in_turn(_say: Say, way: Way, port: int, content: bytes, count: int) -> int:
    """So many connections one after the other; how many were answered."""
    answered = 0
    for _ in range(count):
        with socket.create_connection((way.host, port), STUCK_S) as sock:
            sock.setblocking(True)
            sock.sendall(content)
            sock.settimeout(STUCK_S)
            try:
                answered += sock.recv(1) == ANSWER
            except TimeoutError:
                break
    return answered
