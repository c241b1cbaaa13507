# SPDX-License-Identifier: Apache-2.0
"""Frames over a TLS engine over one TCP connection; knows nothing of flows."""

from __future__ import annotations

import asyncio
import socket

from tlshub_core.peering import identity
from tlshub_core.peering.decoder import FrameDecoder
from tlshub_core.peering.frames import Frame, Sendable, encode
from tlshub_core.types.errors import Reason, Refused, Unavailable
from tlshub_core.types.interfaces import TlsEngine

CHUNK = 16_384  # what is decrypted before others have their turn

# A peer that vanished is noticed within some 16 seconds, with traffic or without.
_KEEPALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 2),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 15_000),
)


class Channel:
    """One side of a session's connection; all failures are Unavailable, Refused or FrameError."""

    def __init__(self, engine: TlsEngine, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.engine = engine
        self._reader, self._writer = reader, writer
        self._decoder = FrameDecoder()
        sock: socket.socket = writer.get_extra_info("socket")
        for level, option, value in _KEEPALIVE:
            sock.setsockopt(level, option, value)

    async def handshake(self, trust_domain: str) -> str:
        """Complete the TLS handshake; the peer's node name, checked after every handshake, resumed ones included."""
        while not self.engine.done():
            self._flush()
            await self._pump()
        self._flush()
        return identity.check(self.engine.peer_certificate(), trust_domain)

    async def receive(self) -> list[Frame]:
        """The next frames, at least one; raises Unavailable at the end of the connection."""
        while True:
            frames = self._decoder.feed(self.engine.read())
            if frames:
                return frames
            await self._pump()

    def send(self, frame: Sendable) -> None:
        """Queue a frame for the wire; never waits."""
        self.engine.write(encode(frame))
        self._flush()

    async def drained(self) -> None:
        """Wait until the peer has taken most of what was sent."""
        try:
            await self._writer.drain()
        except OSError as error:
            raise _lost(error) from error

    def close(self) -> None:
        """End the connection; what the peer does not take at once is thrown away."""
        transport = self._writer.transport
        if not transport.is_closing():
            self._flush()
        if transport.get_write_buffer_size():
            transport.abort()
        else:
            self._writer.close()

    async def _pump(self) -> None:
        try:
            data = await self._reader.read(CHUNK)
            await asyncio.sleep(0)  # a read of what has come already does not wait
        except OSError as error:
            raise _lost(error) from error
        if not data:
            raise Unavailable("the other agent closed the connection", Reason.PEER_UNREACHABLE)
        try:
            self.engine.feed(data)
        except Refused:
            # The alert tells the peer why.
            self._flush()
            raise

    def _flush(self) -> None:
        data = self.engine.drain()
        if data:
            self._writer.write(data)


def _lost(error: OSError) -> Unavailable:
    return Unavailable(f"the connection to the other agent broke: {error}", Reason.PEER_UNREACHABLE)
