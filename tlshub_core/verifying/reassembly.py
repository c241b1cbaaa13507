# SPDX-License-Identifier: Apache-2.0
"""TCP streams put together again as they come, each direction by its sequence numbers (RFC 9293, section 3.4)."""

from __future__ import annotations

from bisect import insort

from tlshub_core.verifying.packets import FIN, SYN, Segment
from tlshub_core.verifying.sinks import Room, Sink

SEQ_WRAP = 1 << 32
_HALF = 1 << 31
_KEPT = 1 << 16  # of what is acknowledged: such bytes may still come again
_MOST = 4 << 20  # of one stream, not acknowledged yet, or behind a hole


class Direction:
    """What one end sent; positions count from its first byte and do not wrap. `base` is the number of position 0.

    `missing` counts bytes that were sent and not captured, `conflicting` those that were sent twice and differently, or
    before the stream began, `uncompared` those that came again so late that what they were was not kept any more.
    """

    __slots__ = (
        "_ahead", "_history", "_last", "_room", "_sink", "acked", "base", "conflicting", "ended", "fin", "missing",
        "next", "synced", "uncompared", "used",
    )  # fmt: skip

    def __init__(self, sink: Sink, room: Room) -> None:
        self._sink, self._room = sink, room
        self.base: int | None = None
        self.fin: int | None = None
        self.synced = self.used = self.ended = False
        self._last = self.acked = self.next = self.missing = self.conflicting = self.uncompared = 0
        self._ahead: list[tuple[int, bytes]] = []
        self._history = bytearray()

    @property
    def done(self) -> bool:
        """Whether all came up to the FIN, and the other end has it."""
        return self.fin is not None and self.next >= self.fin and self.acked > self.fin

    def add(self, segment: Segment, payload: bytes) -> None:
        """Take the payload, and the end; a SYN, or else the first segment, says where the stream begins."""
        syn = segment.flags & SYN != 0
        seq = segment.seq + syn
        if self.base is None or (syn and not self.used):
            self.base, self.synced, self._last = seq % SEQ_WRAP, syn, 0
        at = self.position(seq)
        behind = at + len(payload)
        # A segment without payload says nothing of where the stream is: a RST may have any number.
        if payload:
            self.used, self._last = True, max(self._last, behind)
            self._take(at, payload)
        if segment.flags & FIN:
            self.fin = behind

    def position(self, seq: int) -> int:
        """The position of a sequence number: of all that it may be, the one nearest to where the stream was last."""
        return self._last + (seq - (self.base or 0) - self._last + _HALF) % SEQ_WRAP - _HALF

    def acknowledge(self, ack: int) -> None:
        """The other end has everything before that sequence number."""
        if self.base is not None:
            self.acked = max(self.acked, self.position(ack))

    def finish(self, reset: bool) -> None:
        """No more segments come; `reset` is whether either end sent a RST."""
        while self._ahead:
            self._give_up()
        # What the other end acknowledged was sent, and so was all before a FIN; the FIN itself counts as one byte.
        sent = self.acked if self.fin is None else max(self.fin, self.acked - 1)
        self.missing += max(sent - self.next, 0)
        self.ended = self.fin is not None and not self.missing and not reset
        self._forget(len(self._history))
        self._sink.finish(self.ended)

    def _take(self, at: int, payload: bytes) -> None:
        if at > self.next:
            insort(self._ahead, (at, payload))
            self._room.used += len(payload)
            if self._room.full or _end(self._ahead) - self.next > _MOST:
                self._give_up()
            return
        self._deliver(at, payload)
        self._catch_up()

    def _catch_up(self) -> None:
        while self._ahead and self._ahead[0][0] <= self.next:
            at, payload = self._ahead.pop(0)
            self._room.used -= len(payload)
            self._deliver(at, payload)

    def _give_up(self) -> None:
        """The bytes before the first of those ahead do not come any more."""
        hole = self._ahead[0][0] - self.next
        self.missing += hole
        self._sink.skip(hole)
        self._forget(len(self._history))
        self.next += hole
        self._catch_up()

    def _deliver(self, at: int, payload: bytes) -> None:
        overlap = min(self.next - at, len(payload))
        if overlap:
            self._compare(at, payload[:overlap])
        if fresh := payload[overlap:]:
            self._sink.feed(fresh)
            self._history += fresh
            self.next += len(fresh)
            self._room.used += len(fresh)
            self._trim()

    def _compare(self, at: int, again: bytes) -> None:
        """Bytes that came again must be those of before; what is from before the stream never is."""
        start = at - (self.next - len(self._history))
        kept = self._history[max(start, 0) : max(start + len(again), 0)]
        if (at < 0 and self.synced) or kept != again[max(-start, 0) :]:
            self.conflicting += len(again)
        elif start < 0:
            self.uncompared += min(-start, len(again))

    def _trim(self) -> None:
        """What is acknowledged hardly comes again."""
        if self._room.full:
            self._forget(len(self._history))
        wanted = max(_KEPT, min(self.next - self.acked, _MOST))
        if len(self._history) > wanted + _KEPT:
            self._forget(len(self._history) - wanted)

    def _forget(self, count: int) -> None:
        del self._history[:count]
        self._room.used -= count


def _end(ahead: list[tuple[int, bytes]]) -> int:
    """Where the last of these pieces ends."""
    at, payload = ahead[-1]
    return at + len(payload)
