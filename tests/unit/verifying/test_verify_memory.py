# SPDX-License-Identifier: Apache-2.0
"""What is kept of streams: little of one that comes in order, and not more than the room there is of any others."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from dataclasses import replace

from tests.unit.verifying.frames import Packet, Talk, record
from tests.unit.verifying.given import secured
from tlshub_core.verifying import flows as flows_module
from tlshub_core.verifying.findings import Outcome
from tlshub_core.verifying.flows import Flow, Flows
from tlshub_core.verifying.judge import Answer, Judge
from tlshub_core.verifying.packets import ACK
from tlshub_core.verifying.pcap import Packet as Captured
from tlshub_core.verifying.records import Records
from tlshub_core.verifying.scope import Scope
from tlshub_core.verifying.sinks import Room

MB = 1 << 20
RECORD = record(16384)


def captured(packet: Packet) -> Captured:
    return Captured(1, 0, packet.frame, len(packet.frame))


def judged(packets: Iterator[Packet] | list[Packet]) -> Judge:
    judge = Judge(Scope())
    for packet in packets:
        judge.take(captured(packet))
    return judge


def bulk(talk: Talk, records: int, acknowledged: bool) -> Iterator[Packet]:
    yield from talk.hello()
    for number in range(records):
        at = number * len(RECORD)
        yield talk.says(at, RECORD)
        if acknowledged:
            yield replace(talk.says(0, b"", way=1), flags=ACK, ack=talk.isns[0] + 1 + at + len(RECORD))


def peak(packets: Iterator[Packet]) -> tuple[int, Judge]:
    judge = Judge(Scope())
    tracemalloc.start()
    for packet in packets:
        judge.take(captured(packet))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most, judge


def test_a_long_stream_takes_no_more_memory_than_a_short_one() -> None:
    most, judge = peak(bulk(Talk(), 2000, acknowledged=True))
    judge.finish()
    assert (judge.answer, judge.findings[0].sent[0].size) == (Answer.ENCRYPTED, 2000 * len(RECORD))
    assert most < MB, f"{most} bytes for {2000 * len(RECORD)} bytes of a stream"


def flows(room: Room) -> tuple[Flows[Records], list[Flow[Records]]]:
    over: list[Flow[Records]] = []
    return Flows(lambda client, server: (Records(), Records()), over.append, room), over


def fed(found: Flows[Records], packets: list[Packet] | Iterator[Packet]) -> None:
    from tlshub_core.verifying.packets import reader

    for packet in packets:
        segment = reader(1)(packet.frame, 0, len(packet.frame))
        assert segment is not None
        found.add(segment, packet.frame[segment.start : segment.end])


def test_what_is_ahead_of_a_hole_is_kept_for_a_while() -> None:
    talk, room = Talk(), Room()
    found, over = flows(room)
    fed(found, talk.hello())
    for number in range(1, 1000):
        fed(found, [talk.says(number * len(RECORD), RECORD)])
        assert room.used < 9 * MB
    fed(found, [talk.says(0, RECORD)])
    found.finish()
    direction = over[0].directions[0]
    assert (direction.missing, direction.uncompared) == (len(RECORD), len(RECORD)), "it came too late"
    assert room.used == 0


def test_a_hole_that_is_filled_in_time_is_none() -> None:
    talk, room = Talk(), Room()
    found, over = flows(room)
    fed(found, talk.hello())
    fed(found, [talk.says(number * len(RECORD), RECORD) for number in range(200, 0, -1)])
    fed(found, [talk.says(0, RECORD)])
    found.finish()
    assert (over[0].directions[0].missing, over[0].sinks[0].records, over[0].sinks[0].clear) == (0, 201, 0)
    assert room.used == 0


def test_all_streams_together_keep_no_more_than_their_room() -> None:
    room, talks = Room(limit=MB), [Talk(client=("10.0.0.1", port)) for port in range(1000, 1200)]
    found, over = flows(room)
    for talk in talks:
        fed(found, talk.hello())
        fed(found, [talk.says(0, RECORD)])
    for talk in talks:
        fed(found, [talk.says(len(RECORD), RECORD)])
        assert room.used < 2 * MB
    for talk in talks:
        fed(found, [talk.says(2 * len(RECORD) + 1, RECORD)])
        assert room.used < 2 * MB
    found.finish()
    assert room.used == 0 and len(over) == len(talks)


def test_what_comes_again_too_late_to_be_compared_is_unknown() -> None:
    talk = Talk()
    judge = judged([*bulk(talk, 100, acknowledged=True), talk.says(0, RECORD)])
    judge.finish()
    (found,) = judge.findings
    assert (found.outcome, judge.answer) == (Outcome.UNKNOWN, Answer.UNKNOWN)
    assert "came again too late to be compared" in found.why


def test_what_is_not_acknowledged_is_kept_to_be_compared() -> None:
    talk = Talk()
    judge = judged([*bulk(talk, 100, acknowledged=False), talk.says(0, RECORD)])
    judge.finish()
    assert judge.answer is Answer.ENCRYPTED
    judge = judged([*bulk(talk, 100, acknowledged=False), talk.says(10, b"other bytes")])
    judge.finish()
    assert judge.answer is Answer.CLEAR


def test_connections_that_are_over_are_handed_over_and_counted() -> None:
    judge, count = Judge(Scope()), flows_module.DONE + 500
    for number in range(count):
        for packet in secured(Talk(client=("10.0.0.1", 1000 + number))):
            judge.take(captured(packet))
    assert (judge.flows.begun, judge.flows.over, judge.flows.open) == (count, count, 0)
    assert judge.counts["", Outcome.ENCRYPTED] == 500, "the latest may still see repetitions"
    judge.finish()
    assert (judge.counts["", Outcome.ENCRYPTED], len(judge.findings)) == (count, 1000)
