# SPDX-License-Identifier: Apache-2.0
"""TCP streams put together again, each direction by its sequence numbers (RFC 9293, section 3.4)."""

from __future__ import annotations

from dataclasses import dataclass

from tlshub_core.verifying.packets import FIN, SYN, Buffer, Segment

SEQ_WRAP = 1 << 32
_HALF = 1 << 31


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One direction: `runs` of bytes without a hole between, first to last.

    `missing` counts bytes that were sent and not captured; `conflicting` those that were sent twice and differently, or
    before the stream began. `ended` is whether the stream is whole up to its FIN and no RST cut it.
    """

    runs: list[bytearray]
    missing: int
    conflicting: int
    ended: bool


class Direction:
    """What one end sent; positions count from its first byte and do not wrap. `base` is the number of position 0."""

    __slots__ = ("_last", "_pieces", "acked", "base", "fin", "synced")

    def __init__(self) -> None:
        self.base: int | None = None
        self.fin: int | None = None
        self.synced = False
        self._last = self.acked = 0
        self._pieces: list[tuple[int, int, int]] = []

    def add(self, segment: Segment) -> None:
        """Remember the payload, and the end; a SYN, or else the first segment, says where the stream begins."""
        syn = segment.flags & SYN != 0
        seq = segment.seq + syn
        if self.base is None or (syn and not self._pieces):
            self.base, self.synced, self._last = seq % SEQ_WRAP, syn, 0
        at = self.position(seq)
        behind = at + segment.end - segment.start
        # A segment without payload says nothing of where the stream is: a RST may have any number.
        if behind > at:
            self._pieces.append((at, segment.start, segment.end))
            self._last = max(self._last, behind)
        if segment.flags & FIN:
            self.fin = behind

    @property
    def used(self) -> bool:
        """Whether any payload was captured."""
        return bool(self._pieces)

    def position(self, seq: int) -> int:
        """The position of a sequence number: of all that it may be, the one nearest to where the stream was last."""
        return self._last + (seq - (self.base or 0) - self._last + _HALF) % SEQ_WRAP - _HALF

    def acknowledge(self, ack: int) -> None:
        """The other end has everything before that sequence number."""
        if self.base is not None:
            self.acked = max(self.acked, self.position(ack))

    def stream(self, data: Buffer, reset: bool) -> Stream:
        """Put the payload together; `reset` is whether either end sent a RST."""
        pieces = sorted(self._pieces)
        at = 0 if self.synced or not pieces else pieces[0][0]
        runs, missing, conflicting = [bytearray()], 0, 0
        for position, start, end in pieces:
            if position > at:
                missing += position - at
                runs.append(bytearray())
                at = position
            overlap = min(at - position, end - start)
            if overlap and _differs(runs[-1], at - position, data[start : start + overlap]):
                conflicting += overlap
            runs[-1] += data[start + overlap : end]
            at += end - start - overlap
        # What the other end acknowledged was sent, and so was all before a FIN; the FIN itself counts as one byte.
        sent = self.acked if self.fin is None else max(self.fin, self.acked - 1)
        missing += max(sent - at, 0)
        ended = self.fin is not None and not missing and not reset
        return Stream(runs=runs, missing=missing, conflicting=conflicting, ended=ended)


def _differs(run: bytearray, back: int, again: bytes) -> bool:
    """Whether bytes that came again are others than before; what is from before the stream always is."""
    start = len(run) - back
    return start < 0 or run[start : start + len(again)] != again
