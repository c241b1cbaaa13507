# SPDX-License-Identifier: Apache-2.0
"""One netlink socket to the module, one request in flight: nothing in a reply tells which request it answers."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from socket import AF_NETLINK, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_RAW, socket

from tlshub_capture_tlshub import wire
from tlshub_core.api import wipe

KERNEL = 0  # the port id of the kernel's own sockets


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Where the module is: its netlink protocol, the version of its messages, and the port id that it speaks from."""

    protocol: int
    version: int
    port_id: int = KERNEL


class Channel:
    """Raises OSError where the socket cannot be made; after any failure of `exchange` it has to be closed."""

    def __init__(self, link: Link, threads: Executor, log: logging.Logger) -> None:
        self._link, self._threads, self._log = link, threads, log
        self._sock = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, link.protocol)
        self._sock.bind((0, 0))
        self._port_id: int = self._sock.getsockname()[0]
        self._sending: Future[int] | None = None

    async def exchange(self, request: wire.Request) -> wire.Reply:
        """Send it, read past log lines, return the reply; raises OSError, and ValueError for one that is malformed.

        A netlink socket runs the module's own code inside the call that sends, and a handshake may be done there: so
        it is a thread that sends.
        """
        data = wire.encode(self._link.version, request, self._port_id)
        self._sending = self._threads.submit(self._sock.sendto, data, (self._link.port_id, 0))
        await asyncio.wrap_future(self._sending)
        while True:
            reply = self._sorted(*await self._receive())
            if reply is not None:
                return reply
            await asyncio.sleep(0)  # a flood must not keep the timeout from its turn

    def settle(self) -> None:
        """Read what came unasked; raises OSError, and ValueError where the next reply may not be the right one."""
        while True:
            buffer = _buffer()
            try:
                size, sender = self._sock.recvfrom_into(buffer)
            except BlockingIOError:
                return
            if (reply := self._sorted(buffer, size, sender)) is not None:
                reply.wipe()
                raise ValueError("a reply came that nobody waited for")

    def close(self) -> None:
        """Close the socket, once no thread sends on it: its number may belong to another file a moment later."""
        if self._sending is None:
            return self._sock.close()
        self._sending.cancel()
        self._sending.add_done_callback(lambda _: self._sock.close())

    async def _receive(self) -> tuple[bytearray, int, tuple[int, int]]:
        buffer = _buffer()
        try:
            size, sender = await asyncio.get_running_loop().sock_recvfrom_into(self._sock, buffer)
        except asyncio.CancelledError:
            wipe(buffer)
            raise
        return buffer, size, sender

    def _sorted(self, buffer: bytearray, size: int, sender: tuple[int, int]) -> wire.Reply | None:
        """The reply in the buffer; None for a log line, and for what somebody else than the module sent."""
        if sender[0] != self._link.port_id:
            self._log.warning("ignored a netlink message from port id %d: it is not TLSHub's module", sender[0])
            return None
        del buffer[size:]
        try:
            reply = wire.decode(buffer)
        except ValueError:
            wipe(buffer)
            raise
        if reply.kind != wire.Kind.LOG:
            return reply
        self._log.info("TLSHub's module: %s", wire.text(reply))
        return None


def _buffer() -> bytearray:
    """One byte more than a reply has, so that a longer one is seen as such."""
    return bytearray(wire.REPLY_SIZE + 1)
