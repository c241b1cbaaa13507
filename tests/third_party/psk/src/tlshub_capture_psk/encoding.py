# SPDX-License-Identifier: Apache-2.0
"""Names, numbers and tuples as bytes; integers are big-endian."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from tlshub_core.api import Tuple4


def name(text: str) -> bytes:
    """A length and so many bytes of UTF-8; raises ValueError for more than 255."""
    return bytes((len(text.encode()),)) + text.encode()


def pack(tuple4: Tuple4) -> bytes:
    """IP version, then address and port of the client and of the server."""
    client, server = tuple4.client.packed, tuple4.server.packed
    ports = tuple4.client_port.to_bytes(2, "big"), tuple4.server_port.to_bytes(2, "big")
    return bytes((tuple4.client.version,)) + client + ports[0] + server + ports[1]


class Reader:
    """Bytes, from the front."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def left(self) -> int:
        """How many there are still."""
        return len(self._data) - self._at

    def take(self, size: int) -> bytes:
        """The next ones; raises ValueError where there are fewer."""
        if self.left() < size:
            raise ValueError(f"{self.left()} bytes where {size} are expected")
        self._at += size
        return self._data[self._at - size : self._at]

    def number(self) -> int:
        """An unsigned number of two bytes."""
        return int.from_bytes(self.take(2), "big")

    def name(self) -> str:
        """A length and so many bytes of UTF-8."""
        return self.take(self.take(1)[0]).decode()

    def tuple4(self) -> Tuple4:
        """What `pack` made."""
        version = self.take(1)[0]
        if version not in (4, 6):
            raise ValueError(f"an address of IP version {version}")
        family, size = (IPv4Address, 4) if version == 4 else (IPv6Address, 16)
        client, client_port = family(self.take(size)), self.number()
        server, server_port = family(self.take(size)), self.number()
        return Tuple4(client=client, client_port=client_port, server=server, server_port=server_port)
