# SPDX-License-Identifier: Apache-2.0
"""The program for the kernel, run by the kernel: what is judged comes through, and little else does."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.verifying.frames import Packet
from tlshub_core.verifying.packets import Unreadable, reader
from tlshub_core.verifying.port_filter import attach, port_filter

PORTS = st.sampled_from([1, 79, 80, 81, 8000, 8100, 8101, 65535]) | st.integers(1, 65535)
RANGES = st.lists(st.tuples(PORTS, PORTS).map(lambda pair: (min(pair), max(pair))), min_size=1, max_size=5)


class Gate:
    """A pair of sockets between which the filter stands."""

    def __init__(self, ranges: Sequence[tuple[int, int]]) -> None:
        self._in, self._out = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._out.setblocking(False)
        attach(self._out, port_filter(ranges))

    def passes(self, packet: bytes) -> bool:
        self._in.send(packet)
        try:
            return self._out.recv(65536) == packet
        except BlockingIOError:
            return False

    def close(self) -> None:
        self._in.close()
        self._out.close()


def packet(ports: tuple[int, int], six: bool = False) -> bytes:
    ends = ("fd00::1", "fd00::2") if six else ("10.0.0.1", "10.0.0.2")
    return Packet(source=(ends[0], ports[0]), destination=(ends[1], ports[1]), seq=1, payload=b"payload").ip


@given(RANGES, st.tuples(PORTS, PORTS), st.booleans())
def test_ports_of_either_end_are_let_through(ranges: list[tuple[int, int]], ports: tuple[int, int], six: bool) -> None:
    gate = Gate(ranges)
    wanted = any(low <= port <= high for port in ports for low, high in ranges)
    assert gate.passes(packet(ports, six)) == wanted
    gate.close()


@pytest.fixture
def gate() -> Iterator[Gate]:
    found = Gate([(80, 80), (8000, 8100)])
    yield found
    found.close()


@given(noise=st.binary(min_size=1, max_size=90), begin=st.sampled_from([b"", b"\x45\0\0\x30", b"\x60\0\0\0\0\x30"]))
def test_nothing_is_kept_back_that_could_be_judged(noise: bytes, begin: bytes) -> None:
    gate, content = Gate([(80, 80), (8000, 8100)]), begin + noise
    try:
        segment = reader(101)(content, 0, len(content))
        ports = (segment.source_port, segment.destination_port) if segment else ()
    except Unreadable:
        ports = ()
    if any(port == 80 or 8000 <= port <= 8100 for port in ports):
        assert gate.passes(content)
    gate.close()


def test_what_cannot_be_told_comes_through(gate: Gate) -> None:
    fragment, options = bytearray(packet((1, 2))), bytearray(packet((1, 2), six=True))
    fragment[7], options[6] = 9, 0
    assert gate.passes(bytes(fragment)) and gate.passes(bytes(options))


def test_headers_of_any_length_are_skipped(gate: Gate) -> None:
    long = bytearray(packet((9, 80)))
    long[0] = 0x46
    assert gate.passes(bytes(long[:20]) + b"\0" * 4 + bytes(long[20:]))
    assert not gate.passes(bytes(long[:20]) + b"\0\x50\0\x50" + packet((9, 10))[20:])


def test_what_is_no_tcp_is_kept_back(gate: Gate) -> None:
    udp, six = bytearray(packet((80, 80))), bytearray(packet((80, 80), six=True))
    udp[9] = six[6] = 17
    assert not gate.passes(bytes(udp)) and not gate.passes(bytes(six)) and not gate.passes(b"\x08\x06")


def test_ranges_may_overlap_and_repeat() -> None:
    gate = Gate([(1, 1), (1, 79), (1, 1), (70, 90)])
    assert gate.passes(packet((79, 100))) and gate.passes(packet((100, 1))) and gate.passes(packet((85, 85)))
    assert not gate.passes(packet((91, 91)))
    gate.close()


def test_very_many_ranges_let_all_of_tcp_through() -> None:
    gate = Gate([(port, port) for port in range(1000, 3000, 2)])
    assert gate.passes(packet((1, 2))) and not gate.passes(b"\x45" + bytes(40))
    gate.close()
    most = Gate([(port, port) for port in range(1000, 1128, 2)])
    assert most.passes(packet((1, 1126))) and most.passes(packet((1000, 1))) and not most.passes(packet((1, 1125)))
    most.close()
