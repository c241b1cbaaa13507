# SPDX-License-Identifier: Apache-2.0
"""A connection of which only one end is there: what arrives is an input, what is sent is kept; and no TLS around it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Wire(asyncio.Transport):
    """What asyncio's streams write to; `sent` is all of it."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__({"socket": sock, "peername": ("127.0.0.1", 40_000)})
        self.sent = bytearray()
        self._closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep it."""
        self.sent += data

    def get_write_buffer_size(self) -> int:
        """The other end takes everything at once."""
        return 0

    def is_closing(self) -> bool:
        """Whether this end was closed."""
        return self._closing

    def close(self) -> None:
        """Nothing waits to be sent."""
        self._closing = True

    abort = close


class Plain:
    """A TLS engine whose handshake is done and that encrypts nothing; the certificate is the peer's."""

    def __init__(self, certificate: bytes) -> None:
        self._certificate = certificate
        self._arrived, self._to_send = bytearray(), bytearray()

    def feed(self, data: bytes) -> None:
        """See `TlsEngine`, here and below."""
        self._arrived += data

    def drain(self) -> bytes:
        """What is to be sent."""
        data, self._to_send = bytes(self._to_send), bytearray()
        return data

    def done(self) -> bool:
        """It always is."""
        return True

    def peer_certificate(self) -> bytes:
        """As it was given."""
        return self._certificate

    def write(self, data: bytes) -> None:
        """To be sent as it is."""
        self._to_send += data

    def read(self) -> bytes:
        """What has arrived."""
        data, self._arrived = bytes(self._arrived), bytearray()
        return data

    def export(self, label: bytes, context: bytes, size: int) -> bytearray:
        """Nobody's keys."""
        return bytearray(size)

    def library(self) -> str:
        """None."""
        return ""


@contextmanager
def arriving(data: bytes, step: int) -> Iterator[tuple[Streams, Wire]]:
    """Streams at which `data` arrives, so many bytes at a time, and then the end of the connection."""
    with socket.socket() as sock:
        loop, reader, wire = asyncio.get_running_loop(), asyncio.StreamReader(), Wire(sock)
        protocol = asyncio.StreamReaderProtocol(reader)
        protocol.connection_made(wire)
        feeding = asyncio.create_task(_feed(reader, data, step))
        yield (reader, asyncio.StreamWriter(wire, protocol, reader, loop)), wire
        feeding.cancel()


async def _feed(reader: asyncio.StreamReader, data: bytes, step: int) -> None:
    for at in range(0, len(data), step):
        reader.feed_data(data[at : at + step])
        await asyncio.sleep(0)
    reader.feed_eof()
