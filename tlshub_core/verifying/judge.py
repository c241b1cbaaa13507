# SPDX-License-Identifier: Apache-2.0
"""Judges connections from packets as they come, in bounded memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from enum import Enum
from functools import partial
from typing import Protocol

from tlshub_core.verifying.ends import End, name_of
from tlshub_core.verifying.findings import Finding, Outcome, finding
from tlshub_core.verifying.flows import Flow, Flows
from tlshub_core.verifying.keyring import FlowOpener, Keyring
from tlshub_core.verifying.packets import Reader, Unreadable, reader
from tlshub_core.verifying.pcap import Packet
from tlshub_core.verifying.records import Records
from tlshub_core.verifying.scope import Promise, Scope

MOST = 1000


class Answer(Enum):
    """What all connections together come to; NOTHING: none of them carried anything."""

    ENCRYPTED = "encrypted"
    CLEAR = "clear"
    UNKNOWN = "unknown"
    NOTHING = "nothing"


class Plain(Protocol):
    """What takes the applications' bytes that were in records; `time_ns` is when they crossed, since 1970."""

    time_ns: int

    def say(self, ends: tuple[End, End], way: int, content: bytes) -> None:
        """What the client (way 0) or the server said next."""

    def over(self, ends: tuple[End, End]) -> None:
        """This connection is."""


class Judged(Records):
    """One direction's records, and what opens them."""

    def __init__(self, opener: FlowOpener | None, take: Callable[[bytes], None] | None) -> None:
        super().__init__(take)
        self.opener = opener


class Judge:
    """Takes packets; what it finds of the connections that are over is in `findings`, but not more than `MOST`.

    `counts` are of all that are over, by rule and outcome. `lost` counts packets that the capture lacks, `unreadable`
    those that could not be read: fragments, and what was cut short.
    """

    def __init__(self, scope: Scope, keyring: Keyring | None = None, plain: Plain | None = None) -> None:
        self.scope, self.keyring, self._plain = scope, keyring, plain
        self.flows = Flows(self._sinks, self._ended)
        self.counts: Counter[tuple[str, Outcome]] = Counter()
        self._bad: list[Finding] = []
        self._good: list[Finding] = []
        self._readers: dict[int, Reader] = {}
        self.packets = self.lost = self.unreadable = 0

    @property
    def findings(self) -> list[Finding]:
        """Those that are not as promised, then others; at most `MOST` of either."""
        return self._bad + self._good

    @property
    def answer(self) -> Answer:
        """By now, of connections that are over."""
        outcomes = {outcome for _, outcome in self.counts}
        if Outcome.CLEAR in outcomes:
            return Answer.CLEAR
        gaps = self.lost or self.unreadable or self.flows.untracked or (self.keyring and self.keyring.foreign)
        if gaps or Outcome.UNKNOWN in outcomes:
            return Answer.UNKNOWN
        return Answer.ENCRYPTED if outcomes - {Outcome.SILENT} else Answer.NOTHING

    def take(self, packet: Packet) -> None:
        """The next packet. Raises ValueError for a link that cannot be read."""
        data = packet.data
        read = self._readers.get(packet.link) or self._readers.setdefault(packet.link, reader(packet.link))
        try:
            segment = read(data, 0, len(data))
        except Unreadable:
            self.unreadable += 1
            return
        if segment is None or not self.scope.wants(segment.source_port, segment.destination_port):
            return
        self.packets += 1
        self.unreadable += len(data) < packet.original
        if self._plain:
            self._plain.time_ns = packet.time_ns
        self.flows.add(segment, data[segment.start : segment.end], packet.time_ns)

    def finish(self) -> None:
        """No more packets come."""
        self.flows.finish()

    def current(self) -> Iterable[Finding]:
        """Connections that are not over, the latest first, as far as they were seen."""
        return filter(None, map(self._finding, reversed(self.flows.current())))

    def explain(self, why: Callable[[Finding], str]) -> None:
        """Have somebody say more of what is not as promised."""
        self._bad = [one.because(said) if (said := why(one)) else one for one in self._bad]

    def _sinks(self, client: End, server: End) -> tuple[Judged, Judged]:
        if self.keyring is None:
            return Judged(None, None), Judged(None, None)
        opener = self.keyring.flow((name_of(*client), name_of(*server)))
        open_next = partial(self._open, opener, (client, server))
        return Judged(opener, partial(open_next, 0)), Judged(opener, partial(open_next, 1))

    def _open(self, opener: FlowOpener, ends: tuple[End, End], way: int, record: bytes) -> None:
        content = opener.open(way, record)
        if content and self._plain:
            self._plain.say(ends, way, content)

    def _promise(self, flow: Flow[Judged]) -> Promise | None:
        promise = self.scope.promise(flow.client, flow.server)
        # Who is the client of a connection that began before the capture is a guess.
        if promise is None and not any(direction.synced for direction in flow.directions):
            return self.scope.promise(flow.server, flow.client)
        return promise

    def _finding(self, flow: Flow[Judged]) -> Finding | None:
        promise, opener = self._promise(flow), flow.sinks[0].opener
        return finding(flow, promise, opener.failed if opener else 0) if promise else None

    def _ended(self, flow: Flow[Judged]) -> None:
        if self._plain:
            self._plain.over((flow.client, flow.server))
        found = self._finding(flow)
        if found is None:
            return
        self.counts[found.rule, found.outcome] += 1
        kept = self._bad if found.bad else self._good
        if len(kept) < MOST:
            kept.append(found)
