# SPDX-License-Identifier: Apache-2.0
"""Records, clear bytes and markers: whatever is not in a record is counted, and a split marker is found."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle.verdict import Question

from tests.unit.oracle.wiretap import MARKER, finding_on, verdict_on
from tests.unit.verifying.frames import Packet, Talk, parse, pieces, record
from tlshub_core.verifying.packets import FIN, RST
from tlshub_core.verifying.records import Records

SIZES = st.lists(st.sampled_from([1, 2, 17, 300, 16384, 16640]) | st.integers(1, 600), max_size=6)
# No byte of it begins a record.
CLEAR = st.text("abc \n\0\x16\x15\x03", min_size=1, max_size=60).map(str.encode)


@given(SIZES, st.booleans())
def test_records_alone_have_no_clear_byte(sizes: list[int], ended: bool) -> None:
    found = parse(b"".join(map(record, sizes)), ended)
    assert (found.records, found.clear, found.partial) == (len(sizes), 0, 0)
    assert (found.protected, found.ranges) == (sum(sizes) + 5 * len(sizes), [])


@given(SIZES, CLEAR, SIZES)
def test_clear_bytes_between_records_are_counted(before: list[int], clear: bytes, after: list[int]) -> None:
    found = parse(b"".join(map(record, before)) + clear + b"".join(map(record, after)), True)
    assert (found.records, found.clear) == (len(before) + len(after), len(clear))
    assert found.ranges == [(sum(before) + 5 * len(before), len(clear))]


@pytest.mark.parametrize(
    "wrong",
    [b"\x16\x03\x03\0\1x", b"\x15\x03\x03\0\2xx", b"\x17\x03\x01\0\1x", b"\x17\x03\x04\0\1x", b"\x17\x03\x03\0\0",
     b"\x17\x03\x03\x41\x01" + b"x" * 16641],
    ids=["handshake", "alert", "older", "newer", "empty", "too long"],
)  # fmt: skip
def test_other_records_are_clear_bytes(wrong: bytes) -> None:
    found = parse(record(20) + wrong + record(30), True)
    assert (found.records, found.clear) == (2, len(wrong))


@given(SIZES, st.integers(1, 600), st.data())
def test_a_cut_record_is_clear_only_where_the_stream_ended(sizes: list[int], last: int, data: st.DataObject) -> None:
    whole = b"".join(map(record, sizes))
    cut = whole + record(last)[: data.draw(st.integers(1, last + 4))]
    assert (parse(cut, False).clear, parse(cut, False).partial) == (0, len(cut) - len(whole))
    assert (parse(cut, True).clear, parse(cut, True).partial) == (len(cut) - len(whole), 0)


def test_clear_text_that_holds_what_begins_a_record_stays_clear() -> None:
    text = b"clear \x17\x03\x03\x00\x05 text that goes on after five bytes"
    for ended in (True, False):
        assert parse(text, ended).clear == len(text)
        assert parse(text + record(9), ended).clear == len(text)


@given(st.binary(max_size=300), st.booleans())
def test_every_byte_is_somewhere(stream: bytes, ended: bool) -> None:
    found = parse(stream, ended)
    assert found.protected + found.clear + found.partial == found.size == found.at == len(stream)


# What streams are made of where it matters where they are cut: records, parts of them, and what looks like one.
PIECES = st.sampled_from([b"\x17\x03\x03", b"\x17", b"\x16\x03\x01\0\2\1x", b"\x15\x03\x03\0\2xx", b"\x17\x03\x03\0\5"])
STREAMS = st.lists(PIECES | CLEAR | st.integers(1, 40).map(record) | st.binary(max_size=8), max_size=8).map(b"".join)


@given(STREAMS, st.lists(st.integers(0, 120), max_size=9), st.booleans())
def test_it_is_the_same_however_the_stream_is_cut(stream: bytes, cuts: list[int], ended: bool) -> None:
    whole, cut = parse(stream, ended), parse(stream, ended, cuts)
    names = ("records", "protected", "clear", "partial", "lost", "ranges", "framed", "hello", "at")
    assert [getattr(cut, name) for name in names] == [getattr(whole, name) for name in names]


@given(STREAMS, st.lists(st.integers(0, 120), max_size=9))
def test_no_more_is_kept_than_a_record(stream: bytes, cuts: list[int]) -> None:
    records = Records()
    for piece in pieces(stream, cuts):
        records.feed(piece)
        assert len(records._buffer) < 5 + 16640 + 5


def test_a_handshake_of_the_applications_own_is_told_from_clear_text() -> None:
    hello, finished = b"\x16\x03\x01\0\5\1abcd", b"\x14\x03\x03\0\1\1"
    found = parse(hello + finished + record(50), True)
    assert (found.framed, found.hello, found.clear, found.records) == (True, True, 16, 1)
    answer = parse(b"\x16\x03\x03\0\5\2abcd" + record(50), True)
    assert (answer.framed, answer.hello) == (True, False)
    for other in (record(9) + hello, hello + b"GET / HTTP/1.1", b"GET / HTTP/1.1" + hello, b"", hello[:-1], b"\x16"):
        assert not (parse(other, True).framed and parse(other, True).hello), other


def test_ranges_in_clear_are_named_up_to_a_number() -> None:
    found = parse(b"".join(b"clear" + 2 * record(5) for _ in range(20)), True)
    assert (found.clear, len(found.ranges), found.ranges[:2]) == (100, 16, [(0, 5), (25, 5)])


def test_what_is_behind_a_hole_is_lost() -> None:
    records = Records()
    records.feed(record(5) + b"\x17\x03")
    records.skip(7)
    records.feed(record(5))
    records.finish(True)
    assert (records.records, records.lost, records.clear, records.at) == (1, 12, 0, 19)


def test_a_clear_byte_before_the_first_record_is_counted() -> None:
    talk = Talk()
    finding = finding_on([*talk.hello(), talk.says(0, b"x"), talk.says(1, record(400)), talk.says(0, b"yy", way=1)])
    assert (finding.clear, finding.records) == ((1, 2), (1, 0))


@pytest.mark.parametrize(("flags", "clear"), [(FIN, 15), (FIN | RST, 0), (0, 0)])
def test_the_last_record_may_be_cut_by_a_reset_or_the_end_of_the_capture(flags: int, clear: int) -> None:
    talk, stream = Talk(), record(20) + record(20)[:15]
    finding = finding_on([*talk.hello(), talk.says(0, stream), talk.says(len(stream), b"", flags=flags)])
    assert (finding.clear[0], finding.partial[0], finding.missing) == (clear, 15 - clear, 0)


@given(st.integers(0, 100), st.lists(st.integers(0, 250), max_size=5), st.data())
def test_a_marker_split_over_segments_is_found(before: int, cuts: list[int], data: st.DataObject) -> None:
    talk, content = Talk(), b"a" * before + MARKER + b"b" * 60
    inside = before + data.draw(st.integers(1, len(MARKER) - 1))
    packets = talk.stream(content, [inside, *(cut for cut in cuts if cut < len(content))], way=1)
    assert verdict_on(talk.hello() + data.draw(st.permutations(packets))).marker_hits == 1


def test_markers_are_counted_once_whether_in_packets_or_streams() -> None:
    talk = Talk()
    assert verdict_on(talk.hello() + talk.stream(MARKER * 3)).marker_hits == 3
    assert verdict_on(talk.hello() + talk.stream(record(300))).marker_hits == 0
    assert verdict_on([]).marker_hits == 0


def test_ports_choose_what_is_judged() -> None:
    web, peering = Talk(), Talk(client=("10.0.0.1", 40001), server=("10.0.0.2", 4646))
    other = Talk(client=("10.0.0.1", 40002), server=("10.0.0.2", 22))
    packets = [packet for talk in (web, peering, other) for packet in talk.hello() + talk.stream(MARKER)]

    def hits(**ports: frozenset[int]) -> tuple[int, int]:
        verdict = verdict_on(packets, Question(marker=MARKER, **ports))
        return len(verdict.findings), verdict.marker_hits

    assert hits() == (3, 3)
    assert hits(excluded=frozenset({4646})) == (2, 2)
    assert hits(ports=frozenset({80})) == (1, 1)
    assert hits(ports=frozenset({80, 4646}), excluded=frozenset({4646})) == (1, 1)


def test_what_is_behind_a_hole_counts_as_clear() -> None:
    talk: Talk = Talk()
    packets: list[Packet] = [*talk.hello(), talk.says(0, record(10)), talk.says(100, record(10))]
    finding = finding_on(packets)
    assert (finding.missing, finding.clear, finding.records) == (85, (15, 0), (1, 0))
