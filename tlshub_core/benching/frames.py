# SPDX-License-Identifier: Apache-2.0
"""What bench client and server say: a head of 20 bytes, network byte order, and as many bytes as it announces.

    offset  bytes
    0       4       'TCB1'
    4       4       operation: 1 echo, 2 offer
    8       4       size of what follows, at most 16 MiB
    12      8       number, chosen by the client

An echo is answered with the same head and the same bytes, an offer with JSON (see `offer`); nothing else is answered.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from socket import socket

MAGIC = b"TCB1"
LARGEST = 16 << 20
_HEAD = struct.Struct("!4sIIQ")
SIZE = _HEAD.size


class Operation(IntEnum):
    """What is asked for."""

    ECHO = 1
    OFFER = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """`size` in bytes, `number` of 64 bits."""

    operation: Operation
    size: int
    number: int


def put(head: Head, buffer: bytearray) -> None:
    """Write it to the begin of a buffer of at least 20 bytes."""
    _HEAD.pack_into(buffer, 0, MAGIC, head.operation, head.size, head.number)


def head_of(data: bytes | bytearray) -> Head:
    """The head that 20 bytes are; raises ValueError for any others."""
    if len(data) != SIZE:
        raise ValueError(f"a head has {SIZE} bytes, these are {len(data)}")
    magic, operation, size, number = _HEAD.unpack(data)
    if magic != MAGIC:
        raise ValueError("this is no bench of this release: it does not begin with 'TCB1'")
    if size > LARGEST:
        raise ValueError(f"{size} bytes are announced, {LARGEST} are allowed")
    return Head(operation=Operation(operation), size=size, number=number)


def fill(sock: socket, view: memoryview) -> bool:
    """Receive until the view is full; False where the stream ends before its first byte.

    Raises ConnectionResetError where it ends within, and whatever the socket raises.
    """
    filled = 0
    while filled < len(view):
        count = sock.recv_into(view[filled:])
        if not count and not filled:
            return False
        if not count:
            raise ConnectionResetError(f"the stream ended after {filled} of {len(view)} bytes")
        filled += count
    return True
