# SPDX-License-Identifier: Apache-2.0
"""What begins a TLS record (RFC 8446, section 5.1), and what only looks like it."""

from __future__ import annotations

import struct

HEADER = 5
START = b"\x17\x03\x03"
_HEADER = struct.Struct(">BBBH").unpack_from
_LONGEST = 16384 + 256
_LONGEST_OTHER = 16384 + 2048  # RFC 5246, section 6.2.3
_OTHERS = frozenset({20, 21, 22})


def framed(stream: bytearray) -> tuple[int, bool]:
    """How long the record is that begins here, and whether it is application data; 0 where none begins.

    `stream` has its header at least. Others are changes of cipher, alerts and handshakes, of TLS 1.0 to 1.3.
    """
    kind, major, minor, length = _HEADER(stream)
    if stream[:3] == START and 1 <= length <= _LONGEST:
        return HEADER + length, True
    other = kind in _OTHERS and major == 3 and 1 <= minor <= 3 and 1 <= length <= _LONGEST_OTHER
    return (HEADER + length if other else 0), False


def followed(stream: bytearray, at: int, final: bool) -> bool | None:
    """Whether a record here is one, and no coincidence: another one or the end follows; None until that is seen."""
    size, end = len(stream), _end(stream, at)
    if end is None:
        return False
    if not final and end + HEADER > size:
        return None
    return end == size or (end < size and _end(stream, end) is not None)


def _end(stream: bytearray, at: int) -> int | None:
    """Where the record that begins here ends, maybe behind the stream; None where what is there begins none."""
    header = stream[at : at + HEADER]
    if len(header) < HEADER:
        return at + HEADER if START.startswith(header[:3]) else None
    length = _HEADER(header)[3]
    return at + HEADER + length if header[:3] == START and 1 <= length <= _LONGEST else None
