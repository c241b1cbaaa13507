# SPDX-License-Identifier: Apache-2.0
"""Streams put together from segments that were shuffled, repeated, cut, overlapping, wrapped or lost."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.oracle.wiretap import MARKER, finding_on, verdict_on
from tests.unit.verifying.frames import Packet, Talk, record
from tlshub_core.verifying.flows import Flow, Flows
from tlshub_core.verifying.packets import ACK, FIN, RST, SYN, reader

ISNS = st.sampled_from([0, 1, 2**31 - 3, 2**31, 2**32 - 1, 2**32 - 40]) | st.integers(0, 2**32 - 1)
CONTENT = st.binary(max_size=200)


class Collected:
    """The bytes of a stream, which has no holes."""

    def __init__(self) -> None:
        self.content = b""

    def feed(self, chunk: bytes) -> None:
        self.content += chunk

    def skip(self, count: int) -> None:
        raise AssertionError(f"{count} bytes are missing")

    def finish(self, ended: bool) -> None:
        pass


def rebuilt(packets: list[Packet]) -> tuple[bytes, bytes]:
    """Both directions of one connection."""
    over: list[Flow[Collected]] = []
    flows = Flows(lambda client, server: (Collected(), Collected()), over.append)
    for packet in packets:
        segment = reader(1)(packet.frame, 0, len(packet.frame))
        assert segment is not None
        flows.add(segment, packet.frame[segment.start : segment.end])
    flows.finish()
    (flow,) = over
    assert [(one.missing, one.conflicting, one.uncompared) for one in flow.directions] == [(0, 0, 0)] * 2
    return flow.sinks[0].content, flow.sinks[1].content


@given(st.data(), CONTENT, CONTENT, ISNS, ISNS, st.booleans())
def test_any_order_repetition_and_cut_gives_the_stream(
    data: st.DataObject, sent: bytes, received: bytes, c: int, s: int, six: bool
) -> None:
    ends = (("fd00::1", 40000), ("fd00::2", 80)) if six else (("10.0.0.1", 40000), ("10.0.0.2", 80))
    talk = Talk(client=ends[0], server=ends[1], isns=(c, s))
    packets: list[Packet] = []
    for way, content in enumerate((sent, received)):
        for _ in range(data.draw(st.integers(1, 3))):
            packets += talk.stream(content, data.draw(st.lists(st.integers(0, len(content)), max_size=6)), way)
    mixed = talk.hello() + data.draw(st.permutations(packets)) + talk.bye(len(sent), len(received))
    assert rebuilt(mixed) == (sent, received)


def test_a_stream_longer_than_the_numbers_goes_on() -> None:
    talk, at = Talk(isns=(2**32 - 5, 7)), 0
    packets = talk.hello()
    for _ in range(3):
        # No capture holds 4 GB, so the numbers jump: each hole is less than half of their range.
        at += 2**31 - 1000
        packets.append(talk.says(at, b"x" * 100))
    finding = finding_on(packets)
    assert finding.sizes == (300, 0)
    assert finding.missing == at + 100 - 300


def test_payload_on_a_syn_is_the_first() -> None:
    talk = Talk()
    hello = talk.hello()
    hello[0] = replace(hello[0], payload=b"fast")
    assert rebuilt([*hello, talk.says(4, b" open")]) == (b"fast open", b"")


@given(st.integers(1, 50), st.integers(1, 50))
def test_a_lost_segment_is_a_hole(before: int, lost: int) -> None:
    talk, content = Talk(), record(200)
    packets = talk.stream(content, [before, before + lost])
    whole = finding_on(talk.hello() + packets)
    holed = finding_on(talk.hello() + packets[:1] + packets[2:])
    assert (whole.missing, whole.clear, whole.records) == (0, (0, 0), (1, 0))
    assert holed.missing == lost
    assert holed.records == (0, 0)


def test_a_lost_tail_is_a_hole_since_it_was_acknowledged_or_a_fin_was_behind() -> None:
    talk = Talk()
    ack = replace(talk.says(0, b"", way=1), flags=ACK, ack=talk.isns[0] + 1 + 30)
    assert finding_on([*talk.hello(), talk.says(0, b"x" * 20), ack]).missing == 10
    fin = talk.says(30, b"", flags=FIN)
    assert finding_on([*talk.hello(), talk.says(0, b"x" * 20), fin]).missing == 10
    bye = talk.bye(20, 0)
    assert finding_on([*talk.hello(), talk.says(0, b"x" * 20), *bye]).missing == 0
    assert finding_on([*talk.hello(), talk.says(0, b"x" * 20), *bye[1:]]).missing == 1, "the FIN itself was lost"


def test_a_lost_syn_of_one_end_is_a_hole() -> None:
    talk = Talk()
    hello = talk.hello()
    assert finding_on([hello[0], hello[2], talk.says(0, record(5), way=1)]).missing == 1
    assert finding_on([*hello, talk.says(0, record(5), way=1)]).missing == 0


def test_the_same_place_with_other_bytes_is_in_clear() -> None:
    talk, content = Talk(), record(100)
    again = talk.stream(content)
    other = talk.says(0, MARKER)
    for packets in ([other, *again], [*again, other]):
        finding = finding_on(talk.hello() + packets)
        assert sum(finding.clear) >= len(MARKER)
    assert verdict_on([*talk.hello(), *again, other]).marker_hits == 1
    assert finding_on(talk.hello() + again + again).clear == (0, 0)


def test_payload_from_before_the_stream_is_in_clear() -> None:
    talk = Talk()
    assert finding_on([*talk.hello(), talk.says(-1, b"x"), *talk.stream(record(10))]).clear == (1, 0)


def test_a_port_that_is_used_again_is_another_connection() -> None:
    one, two = Talk(isns=(900_000, 5)), Talk(isns=(777_777, 888_888))
    stale = replace(one.says(0, b"", way=1), flags=ACK, ack=one.isns[0] + 1 + 10)
    late = two.hello()
    packets = one.hello() + one.stream(record(5)) + one.bye(10, 0) + [late[0], stale, *late] + two.stream(record(9))
    findings = verdict_on(packets).findings
    assert [found.records for found in findings] == [(1, 0), (1, 0)]
    assert [found.missing for found in findings] == [0, 0]


def test_a_refused_try_and_a_second_with_the_same_number_are_one() -> None:
    talk = Talk()
    reset = Packet(source=talk.server, destination=talk.client, seq=0, ack=talk.isns[0] + 1, flags=RST | ACK)
    packets = [talk.hello()[0], reset, *talk.hello(), *talk.stream(record(5), way=1)]
    finding = finding_on(packets)
    assert (finding.records, finding.missing, finding.clear) == ((0, 1), 0, (0, 0))


def test_a_reset_with_any_number_does_not_move_the_stream() -> None:
    talk = Talk()
    reset = Packet(source=talk.client, destination=talk.server, seq=talk.isns[0] + 2**31 - 5, flags=RST)
    first, second = talk.stream(record(20), [7])
    assert finding_on([*talk.hello(), first, reset, second]).records == (1, 0)


def test_who_sent_the_syn_is_the_client() -> None:
    talk = Talk(client=("10.0.0.9", 80), server=("10.0.0.1", 50000))
    for packets in (talk.hello(), talk.hello()[1:]):
        finding = finding_on(packets)
        assert (finding.client, finding.server) == ("10.0.0.9:80", "10.0.0.1:50000")


@pytest.mark.parametrize("flags", [SYN, SYN | ACK])
def test_a_repeated_syn_changes_nothing(flags: int) -> None:
    talk = Talk()
    way = int(bool(flags & ACK))
    again = next(p for p in talk.hello() if p.flags == flags)
    parts = talk.stream(record(50), [20], way)
    assert finding_on([*talk.hello(), parts[0], again, parts[1]]).records[way] == 1
