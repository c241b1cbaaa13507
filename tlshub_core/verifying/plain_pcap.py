# SPDX-License-Identifier: Apache-2.0
"""What opened of the records, as a capture of the connections that there would be without TLS, for tools to read."""

from __future__ import annotations

import os
import struct
import time
from pathlib import Path
from types import TracebackType

from tlshub_core.verifying.ends import End
from tlshub_core.verifying.packets import ACK, FIN, SYN

_PUSH, _TCP, _RAW = 8, 6, 101
_FILE = struct.Struct("<IHHiIII")
_HEADER = struct.Struct("<IIII")
_SEGMENT = 16384


class PcapFile:
    """A pcap file of raw IP, of mode 0600 and new; raises OSError, and FileExistsError where there is one already."""

    def __init__(self, path: Path) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        self._file = os.fdopen(os.open(path, flags, 0o600), "wb")
        self._file.write(_FILE.pack(0xA1B23C4D, 2, 4, 0, 0, 1 << 18, _RAW))

    def write(self, packet: bytes, time_ns: int, original: int = 0) -> None:
        """Add an IP packet of that time since 1970."""
        seconds, rest = divmod(time_ns, 1_000_000_000)
        self._file.write(_HEADER.pack(seconds, rest, len(packet), original or len(packet)) + packet)

    def __enter__(self) -> PcapFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()


class PlainPcap:
    """Writes each connection with a handshake, what was said, and an end; numbers of both directions begin with 1."""

    def __init__(self, file: PcapFile) -> None:
        self._file = file
        self._next: dict[tuple[End, End], list[int]] = {}
        self.time_ns = time.time_ns()

    def say(self, ends: tuple[End, End], way: int, content: bytes) -> None:
        """What the client (way 0) or the server said next."""
        if ends not in self._next:
            self._begin(ends)
        for at in range(0, len(content), _SEGMENT):
            self._send(ends, way, ACK | _PUSH, content[at : at + _SEGMENT])

    def over(self, ends: tuple[End, End]) -> None:
        """Both ends close, where anything was said."""
        if ends in self._next:
            self._send(ends, 0, FIN | ACK)
            self._send(ends, 1, FIN | ACK)
            self._send(ends, 0, ACK)
            del self._next[ends]

    def _begin(self, ends: tuple[End, End]) -> None:
        self._next[ends] = [0, 0]
        self._send(ends, 0, SYN)
        self._send(ends, 1, SYN | ACK)
        self._send(ends, 0, ACK)

    def _send(self, ends: tuple[End, End], way: int, flags: int, content: bytes = b"") -> None:
        numbers = self._next[ends]
        seq, ack = numbers[way], numbers[1 - way] if flags & ACK else 0
        packet = packet_of(ends[way], ends[1 - way], seq % 2**32, ack % 2**32, flags, content)
        numbers[way] += len(content) + bool(flags & (SYN | FIN))
        self._file.write(packet, self.time_ns)


def packet_of(source: End, destination: End, seq: int, ack: int, flags: int, content: bytes) -> bytes:
    """An IP packet with a TCP segment, checksums and all (RFC 9293, section 3.1)."""
    (here, port), (there, other) = source, destination
    tcp = struct.pack(">HHIIBBHHH", port, other, seq, ack, 5 << 4, flags, 65535, 0, 0) + content
    pseudo = here + there + struct.pack(">II", len(tcp), _TCP)
    tcp = tcp[:16] + struct.pack(">H", _checksum(pseudo + tcp)) + tcp[18:]
    if len(here) == 16:
        return struct.pack(">IHBB", 6 << 28, len(tcp), _TCP, 64) + here + there + tcp
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0x4000, 64, _TCP, 0) + here + there
    return ip[:10] + struct.pack(">H", _checksum(ip)) + ip[12:] + tcp


def _checksum(data: bytes) -> int:
    """The internet checksum (RFC 1071)."""
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f">{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
