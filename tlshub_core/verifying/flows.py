# SPDX-License-Identifier: Apache-2.0
"""Connections in a capture: which segments belong together, and who is the client."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from tlshub_core.verifying.ends import End, ends_of, name_of
from tlshub_core.verifying.packets import ACK, RST, SYN, Segment
from tlshub_core.verifying.reassembly import SEQ_WRAP, Direction
from tlshub_core.verifying.sinks import Room, Sink

S = TypeVar("S", bound=Sink)
DONE, OPEN = 4096, 100_000


class Flow(Generic[S]):
    """One connection: the client's end first, which is the one that sent the SYN (or, unseen, the first packet).

    `sinks` take what the client sends and what the server sends. `number` counts the connections of a capture.
    """

    __slots__ = ("client", "directions", "number", "packets", "reset", "server", "sinks", "time_ns")

    def __init__(self, ends: tuple[End, End], sinks: tuple[S, S], room: Room, number: int, time_ns: int) -> None:
        self.client, self.server = ends
        self.sinks, self.number, self.time_ns = sinks, number, time_ns
        self.directions = Direction(sinks[0], room), Direction(sinks[1], room)
        self.packets, self.reset = 0, False

    @property
    def unbegun(self) -> bool:
        """Whether one end's SYN was captured and the other's was not, though it went on."""
        client, server = self.directions
        return any(
            one.synced and other.used and not other.synced for one, other in ((client, server), (server, client))
        )

    @property
    def done(self) -> bool:
        """Whether nothing but repetitions may still come."""
        return self.reset or all(direction.done for direction in self.directions)

    @property
    def missing(self) -> int:
        """Bytes that were sent and not captured; a SYN that was not, of an end that went on, counts as one."""
        return self.directions[0].missing + self.directions[1].missing + self.unbegun

    @property
    def names(self) -> tuple[str, str]:
        """Both ends as 'address:port', IPv6 addresses in brackets."""
        return name_of(*self.client), name_of(*self.server)

    def add(self, segment: Segment, payload: bytes, way: int) -> None:
        """Take a segment from the client (way 0) or from the server (way 1)."""
        self.packets += 1
        self.reset = self.reset or segment.flags & RST != 0
        self.directions[way].add(segment, payload)
        # Before its SYN an end may still answer for an older connection between the same ports.
        if segment.flags & ACK and self.directions[way].synced >= self.directions[1 - way].synced:
            self.directions[1 - way].acknowledge(segment.ack)

    def finish(self) -> None:
        """No more segments come."""
        for direction in self.directions:
            direction.finish(self.reset)

    def renewed_by(self, segment: Segment, way: int) -> bool:
        """Whether the segment begins another connection between the same ports: a SYN, and not this one's again."""
        sent = self.directions[way]
        return segment.flags & (SYN | ACK) == SYN and sent.base not in (None, (segment.seq + 1) % SEQ_WRAP)


class Flows(Generic[S]):
    """The connections of a capture; those that are over are handed to `ended`, the latest of them later.

    `sinks` makes the two sinks of a connection, given the client's end and the server's. `untracked` counts packets
    of connections that were too many.
    """

    def __init__(
        self, sinks: Callable[[End, End], tuple[S, S]], ended: Callable[[Flow[S]], None], room: Room | None = None
    ) -> None:
        self._sinks, self._ended, self.room = sinks, ended, room or Room()
        self._by_ends: dict[tuple[bytes, bytes, int, int], tuple[Flow[S], int]] = {}
        self._done: OrderedDict[int, Flow[S]] = OrderedDict()
        self.begun = self.untracked = 0

    @property
    def open(self) -> int:
        """How many are not over."""
        return len(self._by_ends) // 2 - len(self._done)

    @property
    def over(self) -> int:
        """How many are."""
        return self.begun - self.open

    def add(self, segment: Segment, payload: bytes, time_ns: int = 0) -> None:
        """Give the segment to its connection, which may be a new one."""
        source, destination, source_port, destination_port = segment[:4]
        found = self._by_ends.get((source, destination, source_port, destination_port))
        if found is None or found[0].renewed_by(segment, found[1]):
            if found:
                self._end(found[0])
            elif self.open >= OPEN:
                self.untracked += 1
                return
            found = self._begin(segment, time_ns)
        flow, way = found
        flow.add(segment, payload, way)
        if flow.done:
            self._over(flow)

    def current(self) -> list[Flow[S]]:
        """Those that were not handed over, in the order in which they began."""
        return sorted({id(flow): flow for flow, _ in self._by_ends.values()}.values(), key=lambda flow: flow.number)

    def finish(self) -> None:
        """No more segments come: hand over all, in the order in which they began."""
        for flow in self.current():
            self._end(flow)

    def _begin(self, segment: Segment, time_ns: int) -> tuple[Flow[S], int]:
        ends = ends_of(segment)
        flow = Flow(ends, self._sinks(*ends), self.room, self.begun, time_ns)
        self.begun += 1
        (client, client_port), (server, server_port) = ends
        self._by_ends[client, server, client_port, server_port] = flow, 0
        self._by_ends[server, client, server_port, client_port] = flow, 1
        return self._by_ends[segment[:4]]

    def _over(self, flow: Flow[S]) -> None:
        """Remember it for what may be repeated, for as long as there is room."""
        self._done[flow.number] = flow
        self._done.move_to_end(flow.number)
        while self._done and (len(self._done) > DONE or self.room.full):
            self._end(next(iter(self._done.values())))

    def _end(self, flow: Flow[S]) -> None:
        self._done.pop(flow.number, None)
        (client, client_port), (server, server_port) = flow.client, flow.server
        del self._by_ends[client, server, client_port, server_port]
        self._by_ends.pop((server, client, server_port, client_port), None)  # an end may be connected with itself
        flow.finish()
        self._ended(flow)
