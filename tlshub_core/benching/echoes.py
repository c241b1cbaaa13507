# SPDX-License-Identifier: Apache-2.0
"""Requests of one connection: each byte of an answer is compared with what was sent."""

from __future__ import annotations

import time
from collections.abc import Sequence
from random import Random
from socket import socket

from tlshub_core.benching.frames import SIZE, Head, Operation, fill, put

PATTERNS = 4  # one after the other: a byte that is left from the last answer is a wrong one in the next


class Damaged(ValueError):
    """An answer is not what was sent."""


class Echoes:
    """Messages of `size` bytes after their heads, the same for the same seed."""

    def __init__(self, size: int, seed: int) -> None:
        random = Random(seed)
        self._size, self._number = size, 0
        self._messages: Sequence[bytearray] = [bytearray(SIZE) + random.randbytes(size) for _ in range(PATTERNS)]
        self._answer = bytearray(SIZE + size)

    def one(self, sock: socket) -> int:
        """Send the next message and receive its answer; the nanoseconds of that. Raises Damaged and OSError."""
        self._number += 1
        message = self._messages[self._number % PATTERNS]
        put(Head(operation=Operation.ECHO, size=self._size, number=self._number), message)
        began = time.perf_counter_ns()
        sock.sendall(message)
        whole = fill(sock, memoryview(self._answer))
        took = time.perf_counter_ns() - began
        if not whole:
            raise ConnectionResetError("the server ended the connection before its answer")
        if self._answer != message:
            raise Damaged(f"answer {self._number}, of {self._size} bytes: {self._first_wrong(message)}")
        return took

    def _first_wrong(self, message: bytearray) -> str:
        wrong = [at for at, pair in enumerate(zip(message, self._answer, strict=True)) if pair[0] != pair[1]]
        return f"{len(wrong)} bytes are not those that were sent, the first one is byte {wrong[0]}"
