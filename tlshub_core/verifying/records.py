# SPDX-License-Identifier: Apache-2.0
"""TLS records in a stream (RFC 8446, section 5): which bytes are in application data records, and which are not.

A stream is judged as it comes, and no more of it is kept than one record.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

HEADER = 5
RANGES = 16
_START = b"\x17\x03\x03"
_HEADER = struct.Struct(">BBBH").unpack_from
_LONGEST = 16384 + 256
_LONGEST_OTHER = 16384 + 2048  # RFC 5246, section 6.2.3
_OTHERS = frozenset({20, 21, 22})
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
        if left and not ended and not self._searching and _START.startswith(self._buffer[:3]):
            self.partial = left
            self._consume(left)
        else:
            self._broken = self._broken or (ended and left > 0)
            self._mark(left)

    def _parse(self, final: bool) -> None:
        buffer = self._buffer
        if not self.at and len(buffer) > HEADER:
            self._first = bytes(buffer[: HEADER + 1])
        while buffer:
            if self._searching:
                if not self._search(final):
                    return
                continue
            if len(buffer) < HEADER:
                # Only at the end is it seen whether these few bytes may begin a record.
                if not final or _START.startswith(buffer[:3]):
                    return
                self._searching = self._broken = True
                continue
            kind, major, minor, length = _HEADER(buffer)
            if buffer[:3] == _START and 1 <= length <= _LONGEST:
                if len(buffer) < HEADER + length:
                    return
                self._record(HEADER + length)
            elif kind in _OTHERS and major == 3 and 1 <= minor <= 3 and 1 <= length <= _LONGEST_OTHER:
                if len(buffer) < HEADER + length:
                    return
                self._mark(HEADER + length)
            else:
                self._searching = self._broken = True

    def _record(self, size: int) -> None:
        if self._take:
            self._take(bytes(self._buffer[:size]))
        self.records += 1
        self.protected += size
        self._consume(size)

    def _search(self, final: bool) -> bool:
        """Past clear bytes to the next record, which another one or the end must follow; whether it was found."""
        buffer, at = self._buffer, 0
        while (at := buffer.find(_START, at)) >= 0:
            follows = _followed(buffer, at, final)
            if follows is None:
                self._mark(at)
                return False
            if follows:
                self._mark(at)
                self._searching = False
                return True
            at += 1
        self._mark(len(buffer) if final else max(len(buffer) - len(_START) + 1, 0))
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


def _end(stream: bytearray, at: int) -> int | None:
    """Where the record that begins here ends, maybe behind the stream; None where what is there begins none."""
    header = stream[at : at + HEADER]
    if len(header) < HEADER:
        return at + HEADER if _START.startswith(header[:3]) else None
    length = _HEADER(header)[3]
    return at + HEADER + length if header[:3] == _START and 1 <= length <= _LONGEST else None


def _followed(stream: bytearray, at: int, final: bool) -> bool | None:
    """Whether a record here is one, and no coincidence: another one or the end follows; None until that is seen."""
    size, end = len(stream), _end(stream, at)
    if end is None:
        return False
    if not final and end + HEADER > size:
        return None
    return end == size or (end < size and _end(stream, end) is not None)
