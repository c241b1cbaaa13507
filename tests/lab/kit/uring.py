# SPDX-License-Identifier: Apache-2.0
"""io_uring by its bare system calls: one request at a time, in the caller's own thread or in a worker of the kernel.

Layouts and numbers: include/uapi/linux/io_uring.h.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import socket
import struct
from typing import Literal

Issue = Literal["inline", "worker"]
SETUP, ENTER = 425, 426
GETEVENTS, ASYNC = 1, 1 << 4
ACCEPT, CONNECT, SEND, RECV = 13, 16, 26, 27
SQES_AT = 0x10000000
_PARAMS = struct.Struct("=10I 8IQ 8IQ")
_REQUEST = struct.Struct("=BBHiQQIIQ24x")
_DONE = struct.Struct("=QiI")
_WORD = struct.Struct("=I")
_libc = ctypes.CDLL(None, use_errno=True)


class Ring:
    """A ring with room for a few requests; raises OSError where the kernel has none."""

    def __init__(self) -> None:
        params = bytearray(_PARAMS.size)
        view = (ctypes.c_char * len(params)).from_buffer(params)
        self._fd = _checked(_libc.syscall(SETUP, 4, view))
        fields = _PARAMS.unpack(params)
        self._sq, self._cq = fields[10:18], fields[19:27]
        size = max(self._sq[6] + 4 * fields[0], self._cq[5] + _DONE.size * fields[1])
        self._rings = mmap.mmap(self._fd, size, mmap.MAP_SHARED | mmap.MAP_POPULATE)
        self._requests = mmap.mmap(self._fd, fields[0] * 64, mmap.MAP_SHARED | mmap.MAP_POPULATE, offset=SQES_AT)

    def close(self) -> None:
        """Requests that are under way are cancelled."""
        self._requests.close()
        self._rings.close()
        os.close(self._fd)

    def do(self, issue: Issue, code: int, sock: socket.socket, at: int = 0, size: int = 0, more: int = 0) -> int:
        """Submit one request and wait for it; its result, an error as a negative number."""
        flags = ASYNC if issue == "worker" else 0
        _REQUEST.pack_into(self._requests, 0, code, flags, 0, sock.fileno(), more, at, size, 0, 1)
        tail = self._word(self._sq[1])
        _WORD.pack_into(self._rings, self._sq[6] + 4 * (tail & self._word(self._sq[2])), 0)
        _WORD.pack_into(self._rings, self._sq[1], tail + 1)
        self._enter()
        head = self._word(self._cq[0])
        _, result, _ = _DONE.unpack_from(self._rings, self._cq[5] + _DONE.size * (head & self._word(self._cq[2])))
        _WORD.pack_into(self._rings, self._cq[0], head + 1)
        return int(result)

    def _enter(self) -> None:
        """The request goes with the first call; one that a signal ends only waits again."""
        left = 1
        while self._word(self._cq[0]) == self._word(self._cq[1]):
            number = _libc.syscall(ENTER, self._fd, left, 1, GETEVENTS, None, 0)
            if number < 0 and ctypes.get_errno() != errno.EINTR:
                raise OSError(ctypes.get_errno(), "io_uring_enter")
            left = 0

    def _word(self, at: int) -> int:
        return int(_WORD.unpack_from(self._rings, at)[0])


def _checked(number: int) -> int:
    if number < 0:
        raise OSError(ctypes.get_errno(), "io_uring_setup")
    return number
