# SPDX-License-Identifier: Apache-2.0
"""sendmmsg(2) and recvmmsg(2), which Python does not have (<sys/socket.h>, 64-bit)."""

from __future__ import annotations

import ctypes
import os
import socket
from collections.abc import Sequence


class Vector(ctypes.Structure):
    """struct iovec."""

    _fields_ = (("base", ctypes.c_void_p), ("size", ctypes.c_size_t))


class Header(ctypes.Structure):
    """struct msghdr."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_size", ctypes.c_uint32),
        ("vectors", ctypes.POINTER(Vector)),
        ("count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_size", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class Message(ctypes.Structure):
    """struct mmsghdr."""

    _fields_ = (("header", Header), ("done", ctypes.c_uint32))


MSG_WAITFORONE = 0x10000
_libc = ctypes.CDLL(None, use_errno=True)


def send(sock: socket.socket, messages: Sequence[bytes]) -> list[int]:
    """How many bytes of each message went; fewer messages where the kernel stopped. Raises OSError."""
    buffers = [ctypes.create_string_buffer(message, len(message)) for message in messages]
    sent = _messages(buffers)
    done = _checked(_libc.sendmmsg(sock.fileno(), sent, len(sent), 0))
    return [one.done for one in sent[:done]]


def receive(sock: socket.socket, sizes: Sequence[int]) -> list[bytes]:
    """As many messages as there are, one at least, each of so many bytes at most. Raises OSError."""
    buffers = [ctypes.create_string_buffer(size) for size in sizes]
    received = _messages(buffers)
    done = _checked(_libc.recvmmsg(sock.fileno(), received, len(received), MSG_WAITFORONE, None))
    return [buffer.raw[: one.done] for buffer, one in zip(buffers[:done], received, strict=False)]


def _messages(buffers: Sequence[ctypes.Array[ctypes.c_char]]) -> ctypes.Array[Message]:
    vectors = [Vector(ctypes.addressof(buffer), len(buffer)) for buffer in buffers]
    return (Message * len(vectors))(*(Message(header=Header(vectors=ctypes.pointer(one), count=1)) for one in vectors))


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
