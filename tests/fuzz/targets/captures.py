# SPDX-License-Identifier: Apache-2.0
"""Captures, as whoever is on the wire makes them: files, packets in them, streams of these, records in those.

The first byte says how the streams are cut when they are parsed once more.
"""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Iterable

from tests.fuzz.kit.target import Target
from tests.unit.verifying.frames import Packet, Talk, parse, pcap_of, record
from tests.unit.verifying.given import HELLO, own_tls, secured, spoken
from tlshub_core.cli.verify_tables import document
from tlshub_core.testing.matching import row, rule_set
from tlshub_core.types.flow import Mode
from tlshub_core.verifying.findings import Finding, Outcome
from tlshub_core.verifying.judge import Answer, Judge
from tlshub_core.verifying.pcap import Capture, PcapError, capture_of
from tlshub_core.verifying.scope import Scope

_SIX = Talk(client=("fd00::1", 9), server=("fd00::2", 80))
_SECTION = struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)
_INTERFACE = struct.pack("<IIHHIHHB3xII", 1, 32, 1, 0, 0, 9, 1, 6, 0, 32)


def _talks() -> Iterable[list[Packet]]:
    talk = Talk()
    yield secured(talk)
    yield secured(_SIX)
    yield own_tls(talk)
    yield spoken(talk, HELLO + b"GET / HTTP/1.1", record(30))
    yield spoken(talk, b"GET / HTTP/1.1" + record(9), b"")
    yield secured(talk)[3:]
    yield talk.hello()
    yield [*talk.hello(), talk.says(20, record(9)), talk.says(5, record(10)), talk.says(0, record(5))]
    yield [*secured(talk), *spoken(Talk(isns=(7, 8)), b"again", b"")]


def _ng(talk: list[Packet]) -> bytes:
    """The packets as a pcapng file."""
    blocks = []
    for packet in talk:
        size, padding = len(packet.frame), -len(packet.frame) % 4
        head = struct.pack("<IIIIIII", 6, 32 + size + padding, 0, 0, 0, size, size)
        blocks.append(head + packet.frame + b"\0" * padding + head[4:8])
    return _SECTION + _INTERFACE + b"".join(blocks)


def _seeds() -> Iterable[bytes]:
    for step, talk in enumerate(_talks()):
        yield bytes((step,)) + pcap_of(packet.frame for packet in talk)
        yield bytes((step,)) + _ng(talk)
    yield b"\0" + pcap_of([Talk().hello()[0].frame])[:-3]
    yield b"\0" + pcap_of(packet.frame[:40] for packet in secured(Talk()))


def _one(data: bytes) -> Iterable[str]:
    _is_the_same_in_pieces(data[1:], data[0] + 1 if data else 1)
    capture, judge = capture_of(io.BytesIO(data[1:])), Judge(Scope(rule_set([row(Mode.REQUIRE, passthrough=True)])))
    kinds = {type(capture).__name__.lower()}
    for packet in capture.packets():
        judge.take(packet)
    judge.lost = capture.dropped + capture.truncated
    list(judge.current())
    judge.finish()
    assert judge.flows.room.used == 0, "something is kept of streams that are over"
    json.dumps(document(judge))
    _is_proven(judge, capture)
    return kinds | {found.outcome.value for found in judge.findings} | ({"unreadable"} if judge.unreadable else set())


def _is_proven(judge: Judge, capture: Capture) -> None:
    """Nothing is called encrypted of which a byte is not accounted for."""
    assert not (judge.answer is Answer.ENCRYPTED and (capture.truncated or judge.unreadable or judge.lost))
    for found in judge.findings:
        if found.outcome is Outcome.ENCRYPTED:
            assert not (_clear(found) or found.missing) and any(sent.records for sent in found.sent)
        assert found.outcome is not Outcome.CLEAR or _clear(found)


def _clear(found: Finding) -> int:
    return sum(sent.clear for sent in found.sent)


def _is_the_same_in_pieces(stream: bytes, step: int) -> None:
    whole, pieces = (parse(stream, True, cuts) for cuts in ((), range(step, len(stream), step)))
    assert (whole.records, whole.clear, whole.ranges) == (pieces.records, pieces.clear, pieces.ranges)
    assert whole.protected + whole.clear == len(stream)


TARGET = Target(
    one=_one,
    seeds=_seeds,
    kinds=frozenset({"pcap", "pcapng", "unreadable", *(outcome.value for outcome in Outcome)}),
    refusals=(PcapError, ValueError),
    modules=tuple(
        f"tlshub_core.verifying.{name}"
        for name in ("pcap", "pcapng", "packets", "flows", "reassembly", "framing", "records", "findings", "judge")
    ),
)
