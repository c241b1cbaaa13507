# SPDX-License-Identifier: Apache-2.0
"""The listening side: takes sessions from other nodes' agents and answers their flows."""

from __future__ import annotations

import asyncio
import time
from functools import partial

from tlshub_core.peering.admission import Admission
from tlshub_core.peering.answering import Answers
from tlshub_core.peering.attending import attend
from tlshub_core.peering.binding import BACKLOG, bind, peer_address
from tlshub_core.peering.channel import Channel
from tlshub_core.peering.dial import EngineFactory
from tlshub_core.peering.frames import NO_FLOW, FrameError, Refuse, Welcome
from tlshub_core.peering.offers import Offers
from tlshub_core.peering.settings import Settings
from tlshub_core.peering.standing import Standings
from tlshub_core.types.errors import Reason, Refused, Unavailable
from tlshub_core.types.events import SessionDown, SessionUp
from tlshub_core.types.interfaces import AgentContext


class Listener:
    """One listening socket; `turned_away` counts connections that never became a session."""

    def __init__(self, agent: AgentContext, engines: EngineFactory, settings: Settings, offers: Offers) -> None:
        self._agent, self._engines, self._settings, self._offers = agent, engines, settings, offers
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._admission = Admission(settings.max_unauthenticated)
        self._standings = Standings(settings.max_sessions)
        self.turned_away = 0

    async def start(self) -> None:
        """Bind and listen; raises Unavailable where the address or port cannot be had."""
        port = self._agent.identity.port
        try:
            sock = bind(self._settings.listen, port)
        except OSError as error:
            where = self._settings.listen or "any address"
            message = f"cannot listen on '{where}' port {port}: {error}; see 'port' in '[peering]'"
            raise Unavailable(message) from error
        self._server = await asyncio.start_server(self._connected, sock=sock, backlog=BACKLOG)

    async def close(self) -> None:
        """Stop listening and end all sessions."""
        if self._server is not None:
            self._server.close()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._session(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(partial(self._over, writer))
        if (victim := self._admission.enter(task, peer_address(writer))) is not None:
            self.turned_away += 1
            victim.cancel()

    def _over(self, writer: asyncio.StreamWriter, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():  # maybe before its first step
            writer.transport.abort()

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = peer_address(writer)
        try:
            channel, node = await self._admitted(reader, writer, address)
        except (Refused, Unavailable, FrameError, OSError) as error:
            self.turned_away += 1
            self._agent.log.info("the connection from '%s' is no session: %s", address, error)
            writer.close()
            return
        except BaseException:
            writer.transport.abort()
            raise
        finally:
            self._admission.leave(asyncio.current_task())
        now, library = time.monotonic_ns(), channel.engine.library()
        self._agent.emit(SessionUp(time_ns=now, node=node, address=address, dialler=False, library=library))
        with self._standings.of(node).session(address):
            await self._serve(channel, node, address)

    def knows(self, node: str) -> bool:
        """Whether that node's agent has a session with this one, in which it could ask."""
        return self._standings.of(node).sessions > 0

    async def _admitted(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: str
    ) -> tuple[Channel, str]:
        limit = self._settings.handshake_timeout_s
        try:
            async with asyncio.timeout(limit):
                channel = Channel(self._engines(True), reader, writer)
                node = await self._verified(channel)
        except TimeoutError as error:
            raise Unavailable(f"no handshake within {limit} s", Reason.PEER_UNREACHABLE) from error
        channel.send(Welcome())
        return channel, node

    async def _verified(self, channel: Channel) -> str:
        try:
            node = await channel.handshake(self._agent.identity.trust_domain)
            self._standings.check(node)
            return node
        except Refused as error:
            if channel.engine.done():
                channel.send(Refuse(flow=NO_FLOW, reason=error.reason, detail=str(error)))
            raise

    async def _serve(self, channel: Channel, node: str, address: str) -> None:
        answers = Answers(self._agent, self._offers, self._settings, channel, node, self._standings)
        reason, detail = Reason.PROVIDER_BUG, "see the log of this node's agent"
        try:
            await self._agent.ready()
            await attend(channel, answers, self._standings.of(node).turn)
        except (Refused, Unavailable) as error:
            reason, detail = error.reason, str(error)
        except FrameError as error:
            reason, detail = Reason.PROVIDER_FAILED, str(error)
        except asyncio.CancelledError:
            reason, detail = Reason.SHUTDOWN, "the agent is stopping"
            raise
        finally:
            channel.close()
            self._down(node, address, reason, detail)

    def _down(self, node: str, address: str, reason: Reason, detail: str) -> None:
        now = time.monotonic_ns()
        self._agent.emit(
            SessionDown(time_ns=now, node=node, address=address, dialler=False, reason=reason, detail=detail)
        )
