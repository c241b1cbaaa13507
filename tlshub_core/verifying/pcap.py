# SPDX-License-Identifier: Apache-2.0
"""Capture files as tcpdump writes them: where in the mapped file each packet is; nothing is copied."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from mmap import ACCESS_READ, mmap
from pathlib import Path

# The magic number as it is in the file: byte order, whether times have micro- or nanoseconds.
_ORDERS = {
    b"\xd4\xc3\xb2\xa1": "<",
    b"\x4d\x3c\xb2\xa1": "<",
    b"\xa1\xb2\xc3\xd4": ">",
    b"\xa1\xb2\x3c\x4d": ">",
}
_FILE_HEADER, _PACKET_HEADER = 24, 16


class PcapError(Exception):
    """The file is no capture, or one of a kind that is not read here."""


class Pcap:
    """One mapped capture; `link` is the LINKTYPE number, `truncated` is set when the last packet turned out cut off."""

    def __init__(self, data: mmap) -> None:
        """Raises PcapError where the header is not one of pcap (micro- or nanoseconds, either byte order)."""
        order = _ORDERS.get(data[:4])
        if order is None or len(data) < _FILE_HEADER:
            raise PcapError("no pcap file (pcapng is not read: write with 'tcpdump -w')")
        self.data, self.truncated = data, False
        self.link: int = struct.unpack_from(order + "I", data, 20)[0] & 0x0FFFFFFF
        self._sizes = struct.Struct(order + "II")

    def packets(self) -> Iterator[tuple[int, int, int]]:
        """Of each packet: its first byte, the byte behind its last, and how many bytes it had on the wire."""
        data, size, sizes, at = self.data, len(self.data), self._sizes, _FILE_HEADER
        while at + _PACKET_HEADER <= size:
            captured, original = sizes.unpack_from(data, at + 8)
            start = at + _PACKET_HEADER
            at = start + captured
            if at > size:
                break
            yield start, at, original
        self.truncated = at != size


@contextmanager
def opened(path: Path) -> Iterator[Pcap]:
    """Map a capture file; raises PcapError, and OSError where it cannot be read."""
    with path.open("rb") as file:
        if path.stat().st_size < _FILE_HEADER:
            raise PcapError("file is empty or cut off in its header; is the capture running?")
        with mmap(file.fileno(), 0, access=ACCESS_READ) as data:
            yield Pcap(data)
