# SPDX-License-Identifier: Apache-2.0
"""Ways to give bytes to a socket and to take them from it, one for each kind of call that programs use."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

from tests.lab.kit import mmsg
from tests.lab.kit.talk import Talk, take

Give = Callable[[socket.socket, bytes], None]
Take = Callable[[socket.socket, int], bytes]
PIECE = 5000


def _pieces(content: bytes) -> list[bytes]:
    return [content[at : at + PIECE] for at in range(0, len(content), PIECE)]


def all_sent(sock: socket.socket, content: bytes) -> None:
    """send() until all is gone."""
    sock.sendall(content)


def written(sock: socket.socket, content: bytes) -> None:
    """write(), in pieces."""
    for piece in _pieces(content):
        assert os.write(sock.fileno(), piece) == len(piece)


def vectors_written(sock: socket.socket, content: bytes) -> None:
    """writev() of many buffers at once."""
    left = memoryview(content)
    while left:
        left = left[os.writev(sock.fileno(), [left[:7], left[7:1000], left[1000:30_000]]) :]


def single_messages(sock: socket.socket, content: bytes) -> None:
    """sendmmsg() of one message each."""
    for piece in _pieces(content):
        assert mmsg.send(sock, [piece]) == [len(piece)]


def with_more_to_come(sock: socket.socket, content: bytes) -> None:
    """send() with MSG_MORE, but for the last piece."""
    pieces = _pieces(content)
    for piece in pieces[:-1]:
        assert sock.send(piece, socket.MSG_MORE) == len(piece)
    sock.sendall(pieces[-1])


def read(sock: socket.socket, size: int) -> bytes:
    """read(), a few bytes at a time."""
    got = bytearray()
    while len(got) < size and (chunk := os.read(sock.fileno(), min(999, size - len(got)))):
        got += chunk
    return bytes(got)


def vectors_read(sock: socket.socket, size: int) -> bytes:
    """readv() into several buffers."""
    got = bytearray()
    while len(got) < size:
        buffers = [bytearray(min(part, size - len(got))) for part in (1, 400, 9000)]
        if sum(map(len, buffers)) > size - len(got):
            buffers = buffers[:1]
        count = os.readv(sock.fileno(), buffers)
        assert count, f"the end after {len(got)} bytes"
        got += b"".join(buffers)[:count]
    return bytes(got)


def messages(sock: socket.socket, size: int) -> bytes:
    """recvmmsg() of up to three messages."""
    got = bytearray()
    while len(got) < size:
        room = min(3000, (size - len(got) + 2) // 3)
        found = mmsg.receive(sock, [room] * 3 if size - len(got) >= 3 * room else [1])
        assert any(found), f"the end after {len(got)} bytes"
        got += b"".join(found)
    return bytes(got)


def peeked(sock: socket.socket, size: int) -> bytes:
    """recv() of what MSG_PEEK has shown before, twice."""
    got = bytearray()
    while len(got) < size:
        shown = sock.recv(min(7000, size - len(got)), socket.MSG_PEEK)
        again = sock.recv(len(shown), socket.MSG_PEEK)
        chunk = take(sock, len(shown))
        assert chunk and shown == again == chunk, (shown, again, chunk)
        got += chunk
    return bytes(got)


def waited_for(sock: socket.socket, size: int) -> bytes:
    """One recv() with MSG_WAITALL."""
    return sock.recv(size, socket.MSG_WAITALL)


def above_low_water(sock: socket.socket, size: int) -> bytes:
    """recv() of a socket with SO_RCVLOWAT, which is not to return with less."""
    low, got = 9000, bytearray()
    while len(got) < size:
        low = min(low, size - len(got))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, low)
        chunk = sock.recv(size - len(got))
        assert len(chunk) >= low, f"{len(chunk)} bytes of {low} after {len(got)}"
        got += chunk
    return bytes(got)


def gives(give: Give, then: Take) -> Talk:
    """Send first."""

    def talk(sock: socket.socket, content: bytes) -> bytes:
        give(sock, content)
        return then(sock, len(content))

    return talk


def takes(first: Take, then: Give) -> Talk:
    """Receive first."""

    def talk(sock: socket.socket, content: bytes) -> bytes:
        got = first(sock, len(content))
        then(sock, content)
        return got

    return talk


def shuts_in_turn(sock: socket.socket, content: bytes) -> bytes:
    """Send and shut down for writing, then read to the end."""
    sock.sendall(content)
    sock.shutdown(socket.SHUT_WR)
    return take(sock, len(content) + 1)


def answers_the_end(sock: socket.socket, content: bytes) -> bytes:
    """Read to the end, then send and shut down for writing."""
    got = take(sock, len(content) + 1)
    sock.sendall(content)
    sock.shutdown(socket.SHUT_WR)
    return got
