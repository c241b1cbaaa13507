# SPDX-License-Identifier: Apache-2.0
"""Capture files, read packet by packet, of which one is held at a time: pcap here, pcapng in `pcapng`."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

# The magic number as it is in the file: byte order, nanoseconds in a unit of its times.
_ORDERS = {
    b"\xd4\xc3\xb2\xa1": ("<", 1000),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
    b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\xa1\xb2\x3c\x4d": (">", 1),
}
_NEXT_GENERATION = b"\x0a\x0d\x0d\x0a"
FILE_HEADER, _PACKET_HEADER = 24, 16
LONGEST = 16 << 20  # no packet has more; a length above that is damage, and not memory to be had


class PcapError(Exception):
    """The file is no capture, or one of a kind that is not read here."""


class Packet(NamedTuple):
    """A frame of that LINKTYPE; `original` is how many bytes it had on the wire, `time_ns` since 1970."""

    link: int
    time_ns: int
    data: bytes
    original: int


class Capture(Protocol):
    """Packets, read once; what else is known of them is so when they are read."""

    @property
    def truncated(self) -> bool:
        """Whether its last packet is not whole."""

    @property
    def dropped(self) -> int:
        """How many packets were lost."""

    def packets(self) -> Iterator[Packet]:
        """Each packet. Raises PcapError where the file is damaged."""


class Pcap:
    """A pcap file (micro- or nanoseconds, either byte order)."""

    def __init__(self, file: BinaryIO, magic: bytes) -> None:
        """`file` stands behind its first four bytes, `magic`. Raises PcapError."""
        self._file, self.truncated, self.dropped = file, False, 0
        order, self._unit_ns = _ORDERS[magic]
        header = file.read(FILE_HEADER - len(magic))
        if len(header) < FILE_HEADER - len(magic):
            raise PcapError("file is cut off in its header; is the capture running?")
        self._link: int = struct.unpack_from(order + "I", header, 16)[0] & 0x0FFFFFFF
        self._header = struct.Struct(order + "IIII")

    def packets(self) -> Iterator[Packet]:
        """Each packet; raises PcapError for one that cannot be."""
        read, unpack, link = self._file.read, self._header.unpack, self._link
        while header := read(_PACKET_HEADER):
            if len(header) < _PACKET_HEADER:
                self.truncated = True
                return
            seconds, units, captured, original = unpack(header)
            if captured > LONGEST:
                raise PcapError(f"a packet of {captured} bytes: the file is damaged")
            data = read(captured)
            if len(data) < captured:
                self.truncated = True
                return
            yield Packet(link, seconds * 1_000_000_000 + units * self._unit_ns, data, original)


@contextmanager
def opened(path: Path) -> Iterator[Capture]:
    """Open a capture file; raises PcapError, and OSError where it cannot be read."""
    with path.open("rb") as file:
        yield capture_of(file)


def capture_of(file: BinaryIO) -> Capture:
    """What reads this file, by its first bytes; raises PcapError."""
    from tlshub_core.verifying.pcapng import PcapNg

    magic = file.read(4)
    if magic in _ORDERS:
        return Pcap(file, magic)
    if magic == _NEXT_GENERATION:
        return PcapNg(file)
    raise PcapError("file is empty; is the capture running?" if not magic else "no capture: neither pcap nor pcapng")
