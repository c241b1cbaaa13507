# SPDX-License-Identifier: Apache-2.0
"""The module's three requests, as methods with typed results; each ends within its timeout."""

from __future__ import annotations

import asyncio
import errno
import logging

from tlshub_capture_tlshub import wire
from tlshub_capture_tlshub.channel import Link
from tlshub_capture_tlshub.config import TlshubConfig
from tlshub_capture_tlshub.pool import Pool
from tlshub_capture_tlshub.wire import Fetched, Kind, Opcode, Request
from tlshub_core.api import Reason, Unavailable

LOAD = "load the module: `modprobe tlshub`, and compare 'netlink_protocol' in '[plugin.tlshub]' with its own"
_ABSENT = (errno.EPROTONOSUPPORT, errno.ECONNREFUSED)
_STARTED = (Kind.FIRST_HANDSHAKE, Kind.LATER_HANDSHAKE, Kind.CONNECTED)


class Absent(Unavailable):
    """No kernel module answers on that netlink protocol."""


class Client:
    """All methods raise Unavailable with what happened and what to do; Absent where there is no module.

    STARTs have sockets of their own: those to a node that is down must not keep a FETCH from being made.
    """

    def __init__(self, link: Link, config: TlshubConfig, log: logging.Logger) -> None:
        self._link, self._config, self._log = link, config, log
        self._first, self._quick, self._slow = (Pool(size, link, log) for size in (1, config.sockets, config.sockets))
        self._initialised, self._initialising = False, asyncio.Lock()

    async def init(self) -> None:
        """Have the module start its service on this node; once, and again where the module was away.

        Its socket stays open: the kernel does not unload a module that has one, and one that was loaded anew would not
        serve this node until it is asked to. Its thread is its own: the agent becomes more urgent only after its start.
        """
        async with self._initialising:
            if self._initialised:
                return
            reply = await self._exchange(Request(opcode=Opcode.INIT, server=True), self._first)
            if reply.kind != Kind.INITIALISED:
                raise _unexpected(reply, Opcode.INIT)
            self._initialised = True

    async def start(self, request: Request) -> Kind:
        """Have the module agree with the other node's on a master key; how that ended, never with Kind.FAILED."""
        await self.init()
        reply = await self._exchange(request, self._slow)
        if reply.kind == Kind.FAILED:
            message = f"the handshake of TLSHub's modules for '{_shown(request)}' failed: see the kernel's log of both"
            raise Unavailable(message, Reason.PEER_UNREACHABLE)
        if reply.kind not in _STARTED:
            raise _unexpected(reply, Opcode.START)
        return Kind(reply.kind)

    async def fetch(self, request: Request) -> Fetched:
        """What the module has for that tuple; the peer is not told. The master key is the caller's to wipe."""
        await self.init()
        reply = await self._exchange(request, self._quick)
        try:
            return wire.fetched(reply)
        except ValueError as error:
            raise _malformed(Opcode.FETCH, error) from error
        finally:
            reply.wipe()

    def close(self) -> None:
        """Close all sockets; a request under way ends by its timeout, or when it is cancelled."""
        for pool in (self._first, self._quick, self._slow):
            pool.close()

    async def _exchange(self, request: Request, pool: Pool) -> wire.Reply:
        opcode = request.opcode
        limit = self._config.handshake_timeout_s if opcode is Opcode.START else self._config.request_timeout_s
        try:
            async with asyncio.timeout(limit), pool.channel() as channel:
                return await channel.exchange(request)
        except TimeoutError as error:
            message = f"TLSHub's module did not answer {opcode.name} within {limit:g} s"
            raise Unavailable(f"{message}: see the kernel's log, or give it longer in '[plugin.tlshub]'") from error
        except ValueError as error:
            raise _malformed(opcode, error) from error
        except OSError as error:
            raise self._failed(opcode, error) from error

    def _failed(self, opcode: Opcode, error: OSError) -> Unavailable:
        if error.errno not in _ABSENT:
            return Unavailable(f"cannot send {opcode.name} to TLSHub's module: {error}")
        self._initialised = False
        return Absent(f"no kernel module answers on netlink protocol {self._link.protocol}: {LOAD}")


def _shown(request: Request) -> str:
    return f"{request.client}:{request.client_port} to {request.target}:{request.target_port}"


def _unexpected(reply: wire.Reply, opcode: Opcode) -> Unavailable:
    kinds = {kind.value: kind.name.lower() for kind in Kind}
    return _malformed(opcode, f"a reply of type {reply.kind} ('{kinds.get(reply.kind, 'unknown')}')")


def _malformed(opcode: Opcode, what: object) -> Unavailable:
    message = f"TLSHub's module answered {opcode.name} with {what}: is 'protocol_version' in '[plugin.tlshub]' its own?"
    return Unavailable(message)
