# SPDX-License-Identifier: Apache-2.0
"""TLS records in a stream (RFC 8446, section 5): which bytes are in application data records, and which are not.

A stream is judged as it comes, and no more of it is kept than one record.
"""

from __future__ import annotations

from collections.abc import Callable

from tlshub_core.verifying.framing import HEADER, START, followed, framed

RANGES = 16
_BEGINS = (b"\x15", b"\x16")


class Records:
    """Counts what a stream is made of, from its first byte; every byte is counted once `finish` was called.

    `records` are whole application data records (23, 0x0303, 1 to 16640 bytes), `protected` their bytes. `clear` are
    bytes outside of them, `ranges` the first of these as (offset, size). `partial` are those of a record that was cut
    short where the stream did not end, `lost` those behind a hole, where nobody knows where a record begins.
    """

    __slots__ = (
        "_broken", "_buffer", "_first", "_lost", "_searching", "_take", "at", "clear", "lost", "partial", "protected",
        "ranges", "records",
    )  # fmt: skip

    def __init__(self, take: Callable[[bytes], None] | None = None) -> None:
        """`take` is called with each whole application data record, its header included."""
        self._take, self._buffer = take, bytearray()
        self._first, self._lost = b"", False
        self._broken = self._searching = False
        self.at = self.records = self.protected = self.clear = self.partial = self.lost = 0
        self.ranges: list[tuple[int, int]] = []

    @property
    def framed(self) -> bool:
        """Whether the stream began with a TLS handshake (or a refusal of one), and all of it are TLS records."""
        return self._first[:1] in _BEGINS and not (self._broken or self._lost)

    @property
    def hello(self) -> bool:
        """Whether the stream began with a ClientHello."""
        return self._first[:1] == b"\x16" and self._first[HEADER:] == b"\1"

    @property
    def size(self) -> int:
        """How many bytes of the stream came."""
        return self.protected + self.clear + self.partial + self.lost + len(self._buffer)

    def feed(self, chunk: bytes) -> None:
        """The next bytes of the stream."""
        if self._lost:
            self.lost += len(chunk)
            return
        self._buffer += chunk
        self._parse(final=False)

    def skip(self, count: int) -> None:
        """A hole: `count` bytes that nobody saw."""
        if not self._lost:
            self.lost += len(self._buffer)
            self._consume(len(self._buffer))
        self._lost = True
        self.at += count

    def finish(self, ended: bool) -> None:
        """No more bytes come; the last record may be cut short only where the stream has not `ended`."""
        self._parse(final=True)
        left = len(self._buffer)
        if left and not ended and not self._searching and START.startswith(self._buffer[:3]):
            self.partial = left
            self._consume(left)
        else:
            self._broken = self._broken or (ended and left > 0)
            self._mark(left)

    def _parse(self, final: bool) -> None:
        if not self.at and len(self._buffer) > HEADER:
            self._first = bytes(self._buffer[: HEADER + 1])
        while self._buffer and self._step(final):
            continue

    def _step(self, final: bool) -> bool:
        """One record, or the clear bytes before one; whether there may be more to do."""
        if self._searching:
            return self._search(final)
        if len(self._buffer) < HEADER:
            # Only at the end is it seen whether these few bytes may begin a record.
            self._searching = final and not START.startswith(self._buffer[:3])
            self._broken = self._broken or self._searching
            return self._searching
        size, ours = framed(self._buffer)
        if not size:
            self._searching = self._broken = True
        elif len(self._buffer) < size:
            return False
        elif ours:
            self._record(size)
        else:
            self._mark(size)
        return True

    def _record(self, size: int) -> None:
        if self._take:
            self._take(bytes(self._buffer[:size]))
        self.records += 1
        self.protected += size
        self._consume(size)

    def _search(self, final: bool) -> bool:
        """Past clear bytes to the next record, which another one or the end must follow; whether it was found."""
        buffer, at = self._buffer, 0
        while (at := buffer.find(START, at)) >= 0:
            follows = followed(buffer, at, final)
            if follows is None:
                self._mark(at)
                return False
            if follows:
                self._mark(at)
                self._searching = False
                return True
            at += 1
        self._mark(len(buffer) if final else max(len(buffer) - len(START) + 1, 0))
        return False

    def _mark(self, count: int) -> None:
        """Bytes at the begin of the buffer are in clear."""
        if count and self.ranges and sum(self.ranges[-1]) == self.at:
            self.ranges[-1] = self.ranges[-1][0], self.ranges[-1][1] + count
        elif count and len(self.ranges) < RANGES:
            self.ranges.append((self.at, count))
        self.clear += count
        self._consume(count)

    def _consume(self, count: int) -> None:
        del self._buffer[:count]
        self.at += count
