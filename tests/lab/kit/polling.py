# SPDX-License-Identifier: Apache-2.0
"""Talks of non-blocking applications: level-triggered by select, poll or epoll, and edge-triggered."""

from __future__ import annotations

import errno
import select
import socket
from collections.abc import Callable

from tests.lab.kit.job import Say
from tests.lab.kit.ports import Way
from tests.lab.kit.talk import QUIET_S, Talk, at_once, take

Ready = Callable[[socket.socket, bool], tuple[bool, bool]]  # whether to write too; readable, writable


def by_select(sock: socket.socket, writing: bool) -> tuple[bool, bool]:
    """Wait with select()."""
    readable, writable, _ = select.select([sock], [sock] if writing else [], [], QUIET_S)
    return bool(readable), bool(writable)


def by_poll(sock: socket.socket, writing: bool) -> tuple[bool, bool]:
    """Wait with poll()."""
    poll = select.poll()
    poll.register(sock, select.POLLIN | (select.POLLOUT if writing else 0))
    bits = sum(bits for _, bits in poll.poll(QUIET_S * 1000))
    return bool(bits & ~select.POLLOUT), bool(bits & select.POLLOUT)


def by_epoll(sock: socket.socket, writing: bool) -> tuple[bool, bool]:
    """Wait with a level-triggered epoll."""
    with select.epoll() as poll:
        poll.register(sock, select.EPOLLIN | (select.EPOLLOUT if writing else 0))
        bits = sum(bits for _, bits in poll.poll(QUIET_S))
    return bool(bits & ~select.EPOLLOUT), bool(bits & select.EPOLLOUT)


def level(ready: Ready) -> Talk:
    """Send and receive one piece at each readiness; a readiness may turn out to be none."""

    def talk(sock: socket.socket, content: bytes) -> bytes:
        sock.setblocking(False)
        got, left = bytearray(), memoryview(content)
        while left or len(got) < len(content):
            readable, writable = ready(sock, bool(left))
            if not (readable or writable):
                raise TimeoutError(f"never ready; {len(left)} bytes to send, {len(got)} received")
            if readable and not receive(sock, got, once=True):
                raise ConnectionError("the peer ended early")
            left = send(sock, left, once=True) if writable else left
        return bytes(got)

    return talk


def edge(sock: socket.socket, content: bytes) -> bytes:
    """Send and receive until EAGAIN at each edge, and only then."""
    sock.setblocking(False)
    got, left = bytearray(), memoryview(content)
    with select.epoll() as poll:
        poll.register(sock, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)
        while left or len(got) < len(content):
            bits = edges(poll, f"{len(left)} bytes to send, {len(got)} received")
            if bits & select.EPOLLIN:
                receive(sock, got)
            if bits & select.EPOLLOUT:
                left = send(sock, left)
    return bytes(got)


def edge_reader(sock: socket.socket, content: bytes) -> bytes:
    """Receive by edges of EPOLLIN alone, then send."""
    sock.setblocking(False)
    got = bytearray()
    with select.epoll() as poll:
        poll.register(sock, select.EPOLLIN | select.EPOLLET)
        while len(got) < len(content):
            edges(poll, f"{len(got)} received")
            receive(sock, got)
    sock.setblocking(True)
    sock.sendall(content)
    return bytes(got)


def edge_writer(sock: socket.socket, content: bytes) -> bytes:
    """Send by edges of EPOLLOUT alone, then receive."""
    sock.setblocking(False)
    left = memoryview(content)
    with select.epoll() as poll:
        poll.register(sock, select.EPOLLOUT | select.EPOLLET)
        while left:
            edges(poll, f"{len(left)} bytes to send")
            left = send(sock, left)
    sock.setblocking(True)
    return take(sock, len(content))


def edges(poll: select.epoll, where: str) -> int:
    """The next edges; raises TimeoutError where there are none."""
    found = poll.poll(QUIET_S)
    if not found:
        raise TimeoutError(f"no edge: {where}")
    return found[0][1]


def receive(sock: socket.socket, got: bytearray, *, once: bool = False) -> bool:
    """Until EAGAIN, or once; false at the end of the stream."""
    while True:
        try:
            chunk = sock.recv(16384)
        except BlockingIOError:
            return True
        got += chunk
        if once or not chunk:
            return bool(chunk)


def send(sock: socket.socket, left: memoryview, *, once: bool = False) -> memoryview:
    """Until EAGAIN or the end, or once; what is left."""
    while left:
        try:
            left = left[sock.send(left[:16384]) :]
        except BlockingIOError:
            break
        if once:
            break
    return left


def begun(way: Way, port: int) -> socket.socket:
    """A non-blocking socket that has begun to connect."""
    sock = socket.socket(way.family)
    sock.setblocking(False)
    number = sock.connect_ex((way.host, port))
    assert number == errno.EINPROGRESS, errno.errorcode.get(number)
    return sock


def dial_by_edge(_say: Say, way: Way, port: int, talk: Talk, content: bytes) -> bytes:
    """Do not wait for connect(): `talk` has to find out by itself."""
    with begun(way, port) as sock:
        return talk(sock, content)


def dial_early(_say: Say, way: Way, port: int, talk: Talk, content: bytes) -> bytes:
    """Threads that block in send and recv while the socket is still in SYN_SENT."""
    with begun(way, port) as sock:
        sock.setblocking(True)
        return at_once(sock, content)
