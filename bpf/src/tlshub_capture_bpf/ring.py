# SPDX-License-Identifier: Apache-2.0
"""The ring buffer by which the programs tell what happens."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

from tlshub_capture_bpf.libbpf import RING_CALLBACK, Libbpf


def passed_over(libbpf: Libbpf, map_fd: int) -> int:
    """Take all records of a ring buffer, which are about what was; returns their number."""
    ring = RingBuffer(libbpf, map_fd, lambda _: None)
    try:
        return ring.consume()
    finally:
        ring.close()


class RingBuffer:
    """A BPF ring buffer; `consume` hands each record to the callback as bytes."""

    waiting = False  # no record is left for later

    def __init__(self, libbpf: Libbpf, map_fd: int, record: Callable[[bytes], None]) -> None:
        def call(_context: int | None, data: int | None, size: int) -> int:
            record(ctypes.string_at(data or 0, size))
            return 0

        self._libbpf, self._keep = libbpf, RING_CALLBACK(call)
        self._ring = libbpf.pointer("ring_buffer__new", map_fd, self._keep, None, None)

    def fileno(self) -> int:
        """A descriptor that is readable when there are records."""
        return self._libbpf.code("ring_buffer__epoll_fd", self._ring)

    def consume(self) -> int:
        """Hand over all records that are there; returns their number."""
        return self._libbpf.code("ring_buffer__consume", self._ring)

    def close(self) -> None:
        """Free the buffer."""
        self._libbpf.optional("ring_buffer__free", self._ring)
