# SPDX-License-Identifier: Apache-2.0
"""A process of the server: accepts one connection after the other, and gives back what it is sent."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable

from tlshub_core.benching import child
from tlshub_core.benching.frames import SIZE, Head, Operation, fill, head_of, put

IDLE_S = 120.0  # a client that is silent for so long keeps a process from others
Wrap = Callable[[socket.socket], socket.socket]


def wrapper(context: ssl.SSLContext | None) -> Wrap:
    """What an accepted socket becomes: one that talks TLS, or itself."""

    def wrap(sock: socket.socket) -> socket.socket:
        return context.wrap_socket(sock, server_side=True) if context else sock

    return wrap


def serve(parent: int, listener: socket.socket, wrap: Wrap, offer: bytes) -> None:
    """Until the process is ended; a client that breaks the rules, or off, loses its connection and no more."""
    child.begin(parent)
    while True:
        sock, _ = listener.accept()
        with sock:
            try:
                _talk(sock, wrap, offer)
            except (OSError, ValueError):
                continue  # the client's own end says what is wrong, to whom it matters


def _talk(sock: socket.socket, wrap: Wrap, offer: bytes) -> None:
    sock.settimeout(IDLE_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with wrap(sock) as talking:
        buffer = bytearray(SIZE)
        while fill(talking, memoryview(buffer)[:SIZE]):
            buffer = _answer(talking, buffer, offer)


def _answer(sock: socket.socket, buffer: bytearray, offer: bytes) -> bytearray:
    """Answer one request, whose head is in the buffer; the buffer of the next one, which is no smaller."""
    head = head_of(buffer[:SIZE])
    if head.operation is Operation.OFFER:
        put(Head(operation=Operation.OFFER, size=len(offer), number=head.number), buffer)
        sock.sendall(buffer[:SIZE] + offer)
        return buffer
    if len(buffer) < SIZE + head.size:
        buffer = buffer[:SIZE] + bytearray(head.size)
    whole = memoryview(buffer)[: SIZE + head.size]
    if head.size and not fill(sock, whole[SIZE:]):
        raise ConnectionResetError("the stream ended after a head")
    sock.sendall(whole)
    return buffer
