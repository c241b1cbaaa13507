# SPDX-License-Identifier: Apache-2.0
"""pcapng files (draft-ietf-opsawg-pcapng), as wireshark and dumpcap write them."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import BinaryIO, NamedTuple

from tlshub_core.verifying.pcap import LONGEST, Packet, PcapError

_ORDERS = {b"\x1a\x2b\x3c\x4d": ">", b"\x4d\x3c\x2b\x1a": "<"}
_SECTION, _INTERFACE, _SIMPLE, _STATISTICS, _ENHANCED = 0x0A0D0D0A, 1, 3, 5, 6
_RESOLUTION, _INTERFACE_DROPS, _SYSTEM_DROPS = 9, 5, 7
_MAX_INTERFACES = 1024


class _Interface(NamedTuple):
    link: int
    snap: int
    units: int  # of its times, in a second


class PcapNg:
    """A pcapng file; blocks that are not about packets are passed over. `dropped` is what its statistics say."""

    def __init__(self, file: BinaryIO) -> None:
        """`file` stands behind its first four bytes. Raises PcapError."""
        self._file, self.truncated = file, False
        self._interfaces: list[_Interface] = []
        self._drops: dict[int, int] = {}
        self._order = self._section()

    @property
    def dropped(self) -> int:
        """Packets that the capture lost, as far as the file says."""
        return sum(self._drops.values())

    def packets(self) -> Iterator[Packet]:
        """Each packet; raises PcapError for a block that cannot be."""
        while kind := self._file.read(4):
            if len(kind) == 4 and self._word(kind) == _SECTION:
                self._order = self._section()
                continue
            body = self._body() if len(kind) == 4 else None
            if body is None:
                self.truncated = True
                return
            try:
                packet = self._block(self._word(kind), body)
            except (struct.error, IndexError):
                raise PcapError("a block is shorter than what it holds: the file is damaged") from None
            if packet:
                yield packet

    def _word(self, raw: bytes) -> int:
        return int.from_bytes(raw, "big" if self._order == ">" else "little")

    def _section(self) -> str:
        """The byte order of a section that begins; its interfaces are counted anew."""
        head = self._file.read(8)
        order = _ORDERS.get(head[4:])
        if order is None:
            raise PcapError("no pcapng file: its first block has no byte order")
        self._order, self._interfaces = order, []
        length = self._word(head[:4])
        if length % 4 or not 28 <= length <= LONGEST or len(self._file.read(length - 12)) < length - 12:
            raise PcapError("file is cut off or damaged in its header; is the capture running?")
        return order

    def _body(self) -> bytes | None:
        """What is in a block; None where the file ends in it."""
        length = self._word(self._file.read(4).ljust(4, b"\0"))
        if not length:
            return None
        if length % 4 or not 12 <= length <= LONGEST:
            raise PcapError(f"a block of {length} bytes: the file is damaged")
        rest = self._file.read(length - 8)
        if len(rest) < length - 8:
            return None
        if self._word(rest[-4:]) != length:
            raise PcapError("the two lengths of a block differ: the file is damaged")
        return rest[:-4]

    def _block(self, kind: int, body: bytes) -> Packet | None:
        if kind == _ENHANCED:
            return self._enhanced(body)
        if kind == _SIMPLE:
            return self._simple(body)
        if kind == _INTERFACE:
            self._interface(body)
        elif kind == _STATISTICS:
            self._statistics(body)
        return None

    def _enhanced(self, body: bytes) -> Packet:
        number, high, low, captured, original = struct.unpack_from(self._order + "IIIII", body)
        interface = self._interfaces[number]
        time_ns = (high << 32 | low) * 1_000_000_000 // interface.units
        return Packet(interface.link, time_ns, _data(body, 20, captured), original)

    def _simple(self, body: bytes) -> Packet:
        (original,) = struct.unpack_from(self._order + "I", body)
        interface = self._interfaces[0]
        captured = min(original, interface.snap or original, len(body) - 4)
        return Packet(interface.link, 0, body[4 : 4 + captured], original)

    def _statistics(self, body: bytes) -> None:
        (number,) = struct.unpack_from(self._order + "I", body)
        found = self._options(body[12:])
        drops = (found.get(option, b"") for option in (_INTERFACE_DROPS, _SYSTEM_DROPS))
        self._drops[number] = sum(self._word(value) for value in drops)

    def _interface(self, body: bytes) -> None:
        if len(self._interfaces) >= _MAX_INTERFACES:
            raise PcapError("too many interfaces: the file is damaged")
        link, _, snap = struct.unpack_from(self._order + "HHI", body)
        resolution = self._options(body[8:]).get(_RESOLUTION, b"\6")[0]
        units = 2 ** (resolution & 0x7F) if resolution & 0x80 else 10 ** (resolution & 0x7F)
        self._interfaces.append(_Interface(link, snap, units))

    def _options(self, body: bytes) -> Mapping[int, bytes]:
        found, at = dict[int, bytes](), 0
        while at + 4 <= len(body):
            code, size = struct.unpack_from(self._order + "HH", body, at)
            if not code:
                break
            found[code] = _data(body, at + 4, size)
            at += 4 + (size + 3) // 4 * 4
        return found


def _data(body: bytes, at: int, size: int) -> bytes:
    if at + size > len(body):
        raise IndexError
    return body[at : at + size]
