# SPDX-License-Identifier: Apache-2.0
"""The verdict on a capture: how much of it is TLS records, what is in clear, and whether the capture is whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tlshub_core.verifying.ends import End, name_of
from tlshub_core.verifying.flows import Flow, Flows
from tlshub_core.verifying.keyring import FlowOpener, Keyring
from tlshub_core.verifying.packets import Unreadable, reader
from tlshub_core.verifying.pcap import Capture
from tlshub_core.verifying.reassembly import Direction
from tlshub_core.verifying.records import Records

Plaintexts = Callable[[int, tuple[str, str], tuple[bytearray, bytearray]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What to judge: connections with one of `ports` at either end (all, if empty), and none of `excluded`."""

    marker: bytes
    ports: frozenset[int] = frozenset()
    excluded: frozenset[int] = frozenset()

    def wants(self, one: int, other: int) -> bool:
        """Whether a connection between these ports is judged."""
        ends = {one, other}
        return not ends & self.excluded and (not self.ports or bool(ends & self.ports))


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One connection; pairs are what the client sent and what the server sent, sizes in bytes."""

    client: str
    server: str
    packets: int
    sizes: tuple[int, int]
    records: tuple[int, int]
    clear: tuple[int, int]
    partial: tuple[int, int]
    marker_hits: int
    missing: int
    ended: tuple[bool, bool]
    reset: bool


@dataclass(slots=True)
class Verdict:
    """All of it; `raw_hits` are markers in single packets, `holes` bytes and packets that the capture lacks."""

    findings: list[Finding] = field(default_factory=list)
    raw_hits: int = 0
    holes: int = 0

    @property
    def marker_hits(self) -> int:
        """Markers in clear: one that is split is seen in a stream only, one sent twice twice in packets only."""
        return max(self.raw_hits, sum(found.marker_hits for found in self.findings))


class Marked(Records):
    """The records of a stream, how often the marker is in it, and what opened of them."""

    def __init__(self, marker: bytes, opener: FlowOpener | None, way: int) -> None:
        super().__init__(self._open if opener else None)
        self._marker, self._tail, self.hits = marker, b"", 0
        self._opener, self._way, self.plaintext = opener, way, bytearray()

    def feed(self, chunk: bytes) -> None:
        """Count markers, those cut by segments too."""
        seen = self._tail + chunk
        self.hits += seen.count(self._marker)
        self._tail = seen[max(len(seen) - len(self._marker) + 1, 0) :]
        super().feed(chunk)

    def skip(self, count: int) -> None:
        """No marker reaches over a hole."""
        self._tail = b""
        super().skip(count)

    def _open(self, record: bytes) -> None:
        assert self._opener is not None
        self.plaintext += self._opener.open(self._way, record) or b""


def judge(
    capture: Capture, question: Question, keyring: Keyring | None = None, plaintexts: Plaintexts | None = None
) -> Verdict:
    """Judge a capture; raises ValueError for a link that cannot be read, and PcapError for a damaged file.

    `keyring` opens the records of every connection, and `plaintexts` is called with number, names and contents of each.
    """
    over, verdict = list[Flow[Marked]](), Verdict()

    def sinks(client: End, server: End) -> tuple[Marked, Marked]:
        opener = keyring.flow((name_of(*client), name_of(*server))) if keyring else None
        return Marked(question.marker, opener, 0), Marked(question.marker, opener, 1)

    flows = Flows(sinks, over.append)
    _sort(capture, question, flows, verdict)
    flows.finish()
    for flow in sorted(over, key=lambda one: one.number):
        verdict.findings.append(_finding(flow))
        verdict.holes += flow.missing
        if plaintexts:
            client, server = flow.sinks
            plaintexts(flow.number, flow.names, (client.plaintext, server.plaintext))
    return verdict


def _sort(capture: Capture, question: Question, flows: Flows[Marked], verdict: Verdict) -> None:
    """Give each packet to its connection; count markers in packets, and packets that cannot be judged."""
    for packet in capture.packets():
        data = packet.data
        try:
            segment = reader(packet.link)(data, 0, len(data))
        except Unreadable:
            verdict.holes, segment = verdict.holes + 1, None
        if segment is None or question.wants(segment.source_port, segment.destination_port):
            verdict.raw_hits += data.count(question.marker)
            if segment is not None:
                verdict.holes += len(data) < packet.original
                flows.add(segment, data[segment.start : segment.end])
    verdict.holes += capture.truncated


def _clear(direction: Direction, records: Records) -> int:
    """Behind a hole nobody knows where a record begins, so what is there counts as clear."""
    return records.clear + records.lost + direction.conflicting


def _finding(flow: Flow[Marked]) -> Finding:
    (sent, received), (c2s, s2c) = flow.directions, flow.sinks
    return Finding(
        client=flow.names[0],
        server=flow.names[1],
        packets=flow.packets,
        sizes=(c2s.size, s2c.size),
        records=(c2s.records, s2c.records),
        clear=(_clear(sent, c2s), _clear(received, s2c)),
        partial=(c2s.partial, s2c.partial),
        marker_hits=c2s.hits + s2c.hits,
        missing=flow.missing,
        ended=(sent.ended, received.ended),
        reset=flow.reset,
    )
