# SPDX-License-Identifier: Apache-2.0
"""Perf buffers, read as the ring buffer is: in the order in which things happened; what is lost is known as such."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import mmap
import os
import struct
import time
from collections.abc import Iterator

import pytest
from tlshub_capture_bpf import calls, decoding, layout, perf
from tlshub_capture_bpf.hearing import Hearing
from tlshub_capture_bpf.libbpf import Libbpf
from tlshub_capture_bpf.node_maps import MapOpts
from tlshub_capture_bpf.perf import PerfBuffer

from tlshub_core.api import FlowEstablished

PERF_EVENT_ARRAY, ARRAY, SOCKET_FILTER = 4, 2, 1
MMAPABLE = 1 << 10
ASIDES = layout.U64.size + layout.ASIDE_COUNT * layout.ASIDE.size
PACKET = bytes(64)


def instruction(code: int, registers: int = 0, offset: int = 0, value: int = 0) -> bytes:
    return struct.pack("=BBhI", code, registers, offset, value)


def teller(streams: int) -> bytes:
    """A program that tells of one FlowEstablished of the socket 7, and returns what the kernel says to that."""
    return b"".join(
        (
            instruction(0xBF, 0x16),  # r6 = the context
            instruction(0x85, value=5),  # bpf_ktime_get_ns
            instruction(0x7A, 0x0A, -32, 2),
            instruction(0x7A, 0x0A, -24, 7),
            instruction(0x7B, 0x0A, -16),
            instruction(0x7A, 0x0A, -8, 0),
            instruction(0xBF, 0x61),
            instruction(0x18, 0x12, 0, streams) + instruction(0),
            instruction(0x18, 0x03, 0, 0xFFFFFFFF) + instruction(0),  # BPF_F_CURRENT_CPU
            instruction(0xBF, 0xA4),
            instruction(0x07, 0x04, 0, 0x100000000 - 32),
            instruction(0xB7, 0x05, 0, 32),
            instruction(0x85, value=25),  # bpf_perf_event_output
            instruction(0x95),
        )
    )


class Told:
    """A buffer, what it handed over, and the program that writes to it."""

    def __init__(self) -> None:
        self.libbpf, self.records = Libbpf(), list[bytes]()
        made = self.libbpf.code
        self.streams = made("bpf_map_create", PERF_EVENT_ARRAY, b"streams", 4, 4, 8192, None)
        options = MapOpts(sz=ctypes.sizeof(MapOpts), map_flags=MMAPABLE)
        self.aside = made("bpf_map_create", ARRAY, b"aside", 4, ASIDES, 1, ctypes.byref(options))
        code = teller(self.streams)
        self.program = made("bpf_prog_load", SOCKET_FILTER, b"teller", b"GPL", code, len(code) // 8, None)
        self.buffer = PerfBuffer(self.libbpf, self.streams, self.aside, self.records.append)

    def tell(self, times: int = 1) -> int:
        """What the kernel says to the last one of so many: 0, or a negative errno."""
        data = ctypes.create_string_buffer(PACKET, len(PACKET))
        asked = calls.TestRunOpts(sz=ctypes.sizeof(calls.TestRunOpts), data_size_in=len(PACKET), repeat=times)
        asked.data_in = ctypes.addressof(data)
        self.libbpf.code("bpf_prog_test_run_opts", self.program, ctypes.byref(asked))
        return int(ctypes.c_int32(asked.retval).value)

    def heard(self) -> list[int]:
        """When what was handed over now happened."""
        self.records.clear()
        self.buffer.consume()
        events = [decoding.decode(record) for record in self.records]
        assert all(isinstance(event, FlowEstablished) and event.cookie == 7 for event in events)
        return [event.time_ns for event in events if isinstance(event, FlowEstablished)]

    def close(self) -> None:
        self.buffer.close()
        for fd in (self.program, self.aside, self.streams):
            os.close(fd)


@pytest.fixture
def told() -> Iterator[Told]:
    """One of a kernel that lets this process have it."""
    if os.geteuid():
        pytest.skip("needs root: to load programs")
    try:
        found = Told()
    except PermissionError as error:
        pytest.skip(f"this machine gives no perf buffers: {error}")
    yield found
    found.close()


def test_what_processors_tell_comes_in_the_order_of_its_times(told: Told) -> None:
    processors = sorted(os.sched_getaffinity(0))
    try:
        for turn in range(40):
            os.sched_setaffinity(0, {processors[-turn % len(processors)]})
            assert told.tell() == 0
    finally:
        os.sched_setaffinity(0, processors)
    times = told.heard()
    assert len(times) == 40 and times == sorted(times)
    assert told.heard() == [] and not told.buffer.waiting


def test_what_comes_while_it_is_read_waits_for_what_may_be_missing_before_it(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    told.tell()
    between = time.monotonic_ns()
    told.tell()
    with monkeypatch.context() as earlier:
        earlier.setattr(perf.time, "monotonic_ns", lambda: between)
        assert len(told.heard()) == 1
    assert told.buffer.waiting
    assert len(told.heard()) == 1 and not told.buffer.waiting


def test_who_listens_before_what_waits_is_read_leaves_nothing_to_read_it_after_the_end(told: Told) -> None:
    async def test() -> list[asyncio.Handle]:
        hearing = Hearing.__new__(Hearing)
        hearing._buffer, hearing._again, hearing._ready = told.buffer, None, asyncio.Event()
        hearing._lost, hearing._lost_count = 0, mmap.mmap(-1, mmap.PAGESIZE)
        told.buffer._records = [layout.HEADER.pack(2, 0, 7, 2**62)]  # of a later time: it waits
        set_to = list[asyncio.Handle]()
        for _ in range(3):
            hearing.listen()
            assert hearing._again is not None
            set_to.append(hearing._again)
        hearing._forget_again()
        return set_to

    assert [handle.cancelled() for handle in asyncio.run(test())] == [True] * 3


def test_a_full_buffer_is_told_to_the_program_which_counts_it(told: Told) -> None:
    room = perf.PAGES * os.sysconf("SC_PAGESIZE") // 48  # a record with its heads
    assert told.tell(room * 2) == -errno.ENOSPC
    assert room // 2 < len(told.heard()) <= room
    assert told.tell() == 0 and len(told.heard()) == 1, "there is room again"


def test_what_is_put_aside_is_told_once_and_what_was_there_before_is_not(told: Told) -> None:
    body = layout.HEADER.pack(2, 0, 7, 5) + struct.pack("=II", 1, 2)
    put(told, body, body)
    told.tell()
    times = told.heard()
    assert times[:2] == [5, 5] and len(times) == 3, "by their times, with the others"
    assert told.heard() == []
    put(told, body)
    other = PerfBuffer(told.libbpf, told.streams, told.aside, told.records.append)
    other.consume()
    other.close()
    assert told.heard() == []


def test_more_than_can_be_put_aside_is_no_more_than_that(told: Told) -> None:
    body = layout.HEADER.pack(2, 0, 7, 5) + struct.pack("=II", 1, 2)
    put(told, *[body] * layout.ASIDE_COUNT, count=layout.ASIDE_COUNT + 9)
    assert len(told.heard()) == layout.ASIDE_COUNT


def put(told: Told, *events: bytes, count: int = 0) -> None:
    """As a program does that may sleep."""
    entries = b"".join(layout.ASIDE.pack(len(event), event) for event in events)
    value = layout.U64.pack(count or len(events)) + entries
    told.libbpf.code("bpf_map_update_elem", told.aside, layout.U32.pack(0), value.ljust(ASIDES, b"\0"), 0)


def test_this_kernel_has_ring_buffers_where_its_release_says_so() -> None:
    major, minor = (int(part) for part in os.uname().release.split(".")[:2])
    assert perf.has_ring_buffers(Libbpf()) == ((major, minor) >= (5, 8))
