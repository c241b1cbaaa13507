# SPDX-License-Identifier: Apache-2.0
"""TLS records in a stream (RFC 8446, section 5): which bytes are in application data records, and which are not."""

from __future__ import annotations

import struct
from dataclasses import dataclass

HEADER = 5
_START = b"\x17\x03\x03"
_LENGTH = struct.Struct(">H").unpack_from
_LONGEST = 16384 + 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """What a stream is made of: `spans` of whole records with their headers, bytes outside, bytes of a cut record."""

    spans: list[tuple[int, int]]
    clear: int
    partial: int


def parse(stream: bytes | bytearray, ended: bool) -> Records:
    """Split a stream, from its first byte, into application data records (23, 0x0303, 1 to 16640 bytes).

    Every other byte counts as clear, up to the next record that is followed by another one or by the end. The last
    record may be cut short only where the stream has not `ended`.
    """
    spans: list[tuple[int, int]] = []
    at, clear, size = 0, 0, len(stream)
    while at < size:
        end = _end(stream, at)
        if end is None:
            found = _next(stream, at + 1)
            clear += found - at
            at = found
        elif end > size:
            break
        else:
            spans.append((at, end))
            at = end
    left = size - at
    return Records(spans=spans, clear=clear + left * ended, partial=left * (not ended))


def _end(stream: bytes | bytearray, at: int) -> int | None:
    """Where the record that begins here ends, maybe behind the stream; None where what is there begins none."""
    header = stream[at : at + HEADER]
    if len(header) < HEADER:
        begins = _START.startswith(header[:3])
        return at + HEADER if begins else None
    (length,) = _LENGTH(header, 3)
    return at + HEADER + length if header[:3] == _START and 1 <= length <= _LONGEST else None


def _next(stream: bytes | bytearray, at: int) -> int:
    """The next record after clear bytes; since its start may be a coincidence, what follows must be one or the end."""
    size = len(stream)
    while (at := stream.find(_START, at)) >= 0:
        end = _end(stream, at)
        if end is not None and (end == size or (end < size and _end(stream, end) is not None)):
            return at
        at += 1
    return size
