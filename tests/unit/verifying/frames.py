# SPDX-License-Identifier: Apache-2.0
"""Captures made by hand: segments of a connection, frames around them, the file around those."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace
from ipaddress import ip_address
from itertools import pairwise

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from tlshub_core.verifying.packets import ACK, FIN, SYN
from tlshub_core.verifying.records import Records


@dataclass(frozen=True, kw_only=True)
class Packet:
    """A segment; `seq` and `ack` may be beyond 32 bits."""

    source: tuple[str, int]
    destination: tuple[str, int]
    seq: int
    ack: int = 0
    flags: int = ACK
    payload: bytes = b""

    @property
    def tcp(self) -> bytes:
        options = b"\1" * 12
        ports = self.source[1], self.destination[1]
        numbers = self.seq % 2**32, self.ack % 2**32, (20 + len(options)) // 4 << 4, self.flags, 65535, 0, 0
        return struct.pack(">HHIIBBHHH", *ports, *numbers) + options + self.payload

    @property
    def ip(self) -> bytes:
        source, destination = ip_address(self.source[0]), ip_address(self.destination[0])
        ends, tcp = source.packed + destination.packed, self.tcp
        if source.version == 6:
            return struct.pack(">IHBB", 6 << 28, len(tcp), 6, 64) + ends + tcp
        return struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), 1, 0x4000, 64, 6, 0) + ends + tcp

    @property
    def frame(self) -> bytes:
        kind = 0x86DD if ":" in self.source[0] else 0x0800
        return (b"\2" * 12 + struct.pack(">H", kind) + self.ip).ljust(60, b"\0")


@dataclass(frozen=True, kw_only=True)
class Talk:
    """One connection with its first sequence numbers."""

    client: tuple[str, int] = ("10.0.0.1", 40000)
    server: tuple[str, int] = ("10.0.0.2", 80)
    isns: tuple[int, int] = (1000, 2**32 - 50)

    def hello(self) -> list[Packet]:
        """The handshake."""
        c, s = self.isns
        return [
            Packet(source=self.client, destination=self.server, seq=c, flags=SYN),
            Packet(source=self.server, destination=self.client, seq=s, ack=c + 1, flags=SYN | ACK),
            Packet(source=self.client, destination=self.server, seq=c + 1, ack=s + 1),
        ]

    def says(self, at: int, payload: bytes, way: int = 0, flags: int = ACK) -> Packet:
        """Payload at a position of a direction's stream, way 0 from the client."""
        ends = (self.client, self.server)
        seq = self.isns[way] + 1 + at
        return Packet(source=ends[way], destination=ends[1 - way], seq=seq, payload=payload, flags=flags & ~ACK)

    def stream(self, content: bytes, cuts: Iterable[int] = (), way: int = 0) -> list[Packet]:
        """A whole stream, cut at these positions."""
        edges = [0, *sorted(set(cuts) - {0, len(content)}), len(content)]
        return [self.says(a, content[a:b], way) for a, b in pairwise(edges)]

    def bye(self, sent: int, received: int) -> list[Packet]:
        """Both ends close, having sent so many bytes, and acknowledge that."""
        mine, theirs = self.says(sent, b"", 0, FIN), self.says(received, b"", 1, FIN)
        return [
            replace(mine, flags=FIN | ACK, ack=self.isns[1] + 1 + received),
            replace(theirs, flags=FIN | ACK, ack=self.isns[0] + 2 + sent),
            replace(mine, flags=ACK, seq=mine.seq + 1, ack=self.isns[1] + 2 + received),
        ]


def pcap_of(frames: Iterable[bytes], link: int = 1, order: str = "<", magic: int = 0xA1B23C4D) -> bytes:
    """The file around frames."""
    packets = (struct.pack(order + "IIII", 1, 2, len(frame), len(frame)) + frame for frame in frames)
    return struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 262144, link) + b"".join(packets)


def pieces(content: bytes, cuts: Iterable[int]) -> list[bytes]:
    """The content, cut at these positions."""
    edges = [0, *sorted({cut for cut in cuts if 0 < cut < len(content)}), len(content)]
    return [content[a:b] for a, b in pairwise(edges)]


def parse(stream: bytes, ended: bool, cuts: Iterable[int] = ()) -> Records:
    """What a stream is made of that comes in such pieces."""
    records = Records()
    for piece in pieces(stream, cuts):
        records.feed(piece)
    records.finish(ended)
    return records


def record(size: int, fill: bytes = b"\xaa") -> bytes:
    """What looks like an application data record."""
    return b"\x17\x03\x03" + struct.pack(">H", size) + (fill * size)[:size]


def sealed(cipher: str, key: bytes, nonce: bytes, seq: int, content: bytes, kind: int = 23, padding: int = 0) -> bytes:
    """A TLS 1.3 record, encrypted with this key, salt and iv as one nonce."""
    aead = ChaCha20Poly1305(key) if cipher.startswith("chacha") else AESGCM(key)
    inner = content + bytes([kind]) + b"\0" * padding
    header = b"\x17\x03\x03" + struct.pack(">H", len(inner) + 16)
    mixed = bytes(a ^ b for a, b in zip(nonce, seq.to_bytes(12, "big"), strict=True))
    return header + aead.encrypt(mixed, inner, header)
