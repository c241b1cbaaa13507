# SPDX-License-Identifier: Apache-2.0
"""Perf buffers, one for each processor, by which the programs tell what happens where the kernel has no ring buffer."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import time
from bisect import bisect_right
from collections.abc import Callable

from tlshub_capture_bpf.layout import ASIDE, ASIDE_COUNT, TIME_AT, U64
from tlshub_capture_bpf.libbpf import SAMPLE_CALLBACK, Libbpf

PAGES = 128  # of one processor's buffer; a power of two
PADDING = 4  # a record is a multiple of eight bytes, with the four that say how long it is
BPF_MAP_TYPE_RINGBUF = 27


def has_ring_buffers(libbpf: Libbpf) -> bool:
    """Whether this kernel has them; true, too, where it does not let this user try."""
    try:
        os.close(libbpf.code("bpf_map_create", BPF_MAP_TYPE_RINGBUF, b"probe", 0, 0, mmap.PAGESIZE, None))
    except OSError as error:
        return error.errno != errno.EINVAL
    return True


class PerfBuffer:
    """All processors' buffers, and what programs put aside that may sleep; `consume` hands records to the callback.

    What one processor tells is in order, and what happened on another one because of it has a later time. So records
    are handed over by their times, as far as to when the first buffer was read: of later ones, an earlier one may be
    missing. These are `waiting`, for the next `consume`.
    """

    def __init__(self, libbpf: Libbpf, streams: int, aside: int, record: Callable[[bytes], None]) -> None:
        self._libbpf, self._record, self._records = libbpf, record, list[bytes]()
        self._keep = SAMPLE_CALLBACK(self._sample)
        self._aside = mmap.mmap(aside, mmap.PAGESIZE)
        self._put_aside()  # about what was
        self._records.clear()
        self._buffer = libbpf.pointer("perf_buffer__new", streams, PAGES, self._keep, None, None, None)

    def _sample(self, _context: int | None, _processor: int, data: int | None, size: int) -> None:
        self._records.append(ctypes.string_at(data or 0, max(0, size - PADDING)))

    def _put_aside(self) -> None:
        (count,) = U64.unpack_from(self._aside)
        if not count:
            return
        for number in range(min(count, ASIDE_COUNT)):
            size, event = ASIDE.unpack_from(self._aside, U64.size + number * ASIDE.size)
            self._records.append(event[:size])
        U64.pack_into(self._aside, 0, 0)

    @property
    def waiting(self) -> bool:
        """Whether records are left for the next `consume`, which there has to be then."""
        return bool(self._records)

    def fileno(self) -> int:
        """A descriptor that is readable when there are records, but for those that were put aside."""
        return self._libbpf.code("perf_buffer__epoll_fd", self._buffer)

    def consume(self) -> None:
        """Hand over all records that are there and have nothing missing before them."""
        until = time.monotonic_ns()
        self._libbpf.code("perf_buffer__consume", self._buffer)
        self._put_aside()
        self._records.sort(key=_time)
        complete = bisect_right(self._records, until, key=_time)
        ready, self._records = self._records[:complete], self._records[complete:]
        for record in ready:
            self._record(record)

    def close(self) -> None:
        """Free the buffers; from then on the programs count what they tell as lost."""
        self._libbpf.optional("perf_buffer__free", self._buffer)
        self._aside.close()


def _time(record: bytes) -> int:
    """When it happened (CLOCK_MONOTONIC, ns); what is too short to say is handed over at once."""
    return int(U64.unpack_from(record, TIME_AT)[0]) if len(record) >= TIME_AT + U64.size else 0
