# SPDX-License-Identifier: Apache-2.0
"""The verdict on a capture: how much of it is TLS records, what is in clear, and whether the capture is whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tlshub_core.verifying.flows import Flow, Flows
from tlshub_core.verifying.keyring import Keyring
from tlshub_core.verifying.packets import Unreadable, reader
from tlshub_core.verifying.pcap import Pcap
from tlshub_core.verifying.reassembly import Stream
from tlshub_core.verifying.records import Records, parse

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


def judge(
    pcap: Pcap, question: Question, keyring: Keyring | None = None, plaintexts: Plaintexts | None = None
) -> Verdict:
    """Judge a capture; raises ValueError for a link that cannot be read.

    `keyring` opens the records of every connection, and `plaintexts` is called with number, names and contents of each.
    """
    flows, verdict = Flows(), Verdict()
    _sort(pcap, question, flows, verdict)
    for number, flow in enumerate(flows.all):
        sides = [(stream, _records(stream)) for stream in flow.streams(pcap.data)]
        finding = _finding(flow, sides[0], sides[1], question.marker)
        verdict.findings.append(finding)
        verdict.holes += finding.missing
        if keyring:
            plain = keyring.open(flow.names, (sides[0], sides[1]))
            if plaintexts:
                plaintexts(number, flow.names, plain)
    return verdict


def _sort(pcap: Pcap, question: Question, flows: Flows, verdict: Verdict) -> None:
    """Give each packet to its connection; count markers in packets, and packets that cannot be judged."""
    read, data = reader(pcap.link), pcap.data
    hits = _hits(pcap, question.marker)
    hit, marker_size = next(hits), len(question.marker)
    for start, end, original in pcap.packets():
        try:
            segment = read(data, start, end)
        except Unreadable:
            verdict.holes, segment = verdict.holes + 1, None
        wanted = segment is None or question.wants(segment.source_port, segment.destination_port)
        while hit < end:
            verdict.raw_hits += wanted and start <= hit <= end - marker_size
            hit = next(hits)
        if segment is not None and wanted:
            verdict.holes += end - start < original
            flows.add(segment)
    verdict.holes += pcap.truncated


def _hits(pcap: Pcap, marker: bytes) -> Iterator[int]:
    """Where the marker is in the file, in order, and at last a place behind the file."""
    at = pcap.data.find(marker)
    while at >= 0:
        yield at
        at = pcap.data.find(marker, at + 1)
    while True:
        yield len(pcap.data)


def _records(stream: Stream) -> Records:
    """The records of a stream; behind a hole nobody knows where one begins, so what is there counts as clear."""
    first = parse(stream.runs[0], stream.ended)
    lost = sum(map(len, stream.runs[1:])) + (first.partial if len(stream.runs) > 1 else 0)
    return Records(spans=first.spans, clear=first.clear + stream.conflicting + lost, partial=first.partial)


def _finding(flow: Flow, client: tuple[Stream, Records], server: tuple[Stream, Records], marker: bytes) -> Finding:
    (sent, c2s), (received, s2c) = client, server
    return Finding(
        client=flow.names[0],
        server=flow.names[1],
        packets=flow.packets,
        sizes=(sum(map(len, sent.runs)), sum(map(len, received.runs))),
        records=(len(c2s.spans), len(s2c.spans)),
        clear=(c2s.clear, s2c.clear),
        partial=(c2s.partial, s2c.partial),
        marker_hits=sum(run.count(marker) for run in (*sent.runs, *received.runs)),
        missing=sent.missing + received.missing + flow.unbegun,
        ended=(sent.ended, received.ended),
        reset=flow.reset,
    )
