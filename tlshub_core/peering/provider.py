# SPDX-License-Identifier: Apache-2.0
"""The key provider that all TLS engines share: ask the peer's agent, or wait for the peer's agent to ask."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from functools import partial

from tlshub_core.peering.asking import ask, check_known, session_to
from tlshub_core.peering.dialling import Dialler
from tlshub_core.peering.frames import Leave
from tlshub_core.peering.hub import Hub
from tlshub_core.peering.probe import check_identity
from tlshub_core.peering.renewal import EngineBuilder, Renewal
from tlshub_core.peering.settings import Settings
from tlshub_core.types.errors import Reason, Unavailable
from tlshub_core.types.flow import Flow, Mode, Side
from tlshub_core.types.interfaces import AgentContext, Identity, Level, Pending, Probe

ACCEPTING = "peering"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Running:
    agent: AgentContext
    dialler: Dialler
    hub: Hub


class PeeringProvider:
    """A KeyProvider over sessions between agents.

    `build` reads this node's certificate and gives the factory of engines (argument: whether server side); it is
    called in `start`, in a thread, and again where the files have changed (see `Renewal`), and raises ConfigError or
    Unavailable where they will not do.
    """

    accepting = ACCEPTING

    def __init__(self, name: str, build: EngineBuilder, settings: Settings | None = None) -> None:
        self.name = name
        self._build, self._settings = build, settings or Settings()
        self._running: _Running | None = None

    async def probe(self) -> Probe:
        """This node's certificate, key and authority; before `start` only that the provider can be made."""
        if self._running is None:
            return Probe(level=Level.OK, message=f"provider '{self.name}' can be loaded")
        return check_identity(self._running.agent.identity)

    async def start(self, agent: AgentContext) -> None:
        """Read the certificate and listen for other agents, unless another provider of this agent does already."""
        # In a thread: it imports much, and connections of other providers are held meanwhile.
        engines = await asyncio.to_thread(self._engines, agent.identity)
        hub = agent.common(ACCEPTING, partial(Hub, agent))
        await hub.join(self.name, engines, self._settings)
        self._running = _Running(agent=agent, dialler=Dialler(agent, engines, self._settings), hub=hub)

    def _engines(self, identity: Identity) -> Renewal:
        import cryptography.x509  # noqa: F401 - for the first peer's certificate, when connections wait for the session

        return Renewal(self._build, identity)

    async def stop(self) -> None:
        """End all sessions; flows under way get Unavailable. May be called twice."""
        running, self._running = self._running, None
        if running is not None:
            await running.hub.leave(self.name)
            await running.dialler.close()

    async def prepare(self, flow: Flow) -> Pending:
        """Client side: ask the peer's agent. Server side: wait until the peer's agent has asked, cancellable."""
        running = self._started()
        if flow.side is Side.SERVER:
            return await self._take(running, flow)
        return await ask(self.name, running.agent, running.dialler, flow)

    async def prepare_again(self, flow: Flow) -> Pending:
        """See `AskingAgain`."""
        running = self._started()
        return await ask(self.name, running.agent, running.dialler, flow, again=True)

    async def leave(self, flow: Flow, reason: Reason = Reason.PASSTHROUGH) -> None:
        """Agree with the peer's agent to leave the connection alone; the flow was not asked for, and is not moved."""
        running = self._started()
        session = await session_to(running.agent, running.dialler, flow)
        await session.leave(Leave(flow=flow.id, tuple4=flow.tuple, reason=reason))

    def _started(self) -> _Running:
        if self._running is None:
            raise Unavailable(f"provider '{self.name}' is not running", Reason.SHUTDOWN)
        return self._running

    async def _take(self, running: _Running, flow: Flow) -> Pending:
        """An agent asks before it lets the SYN go, or in a session that is up: from one without, none will come.

        Not so under a rule with passthrough: there it asks when it has seen what the client sends first.
        """
        if flow.mode is not Mode.PREFER:
            if not running.hub.offers.has(flow.tuple):  # nobody may ask for an unknown address: no thread need wait
                check_known(running.agent, flow)
            return await running.hub.offers.take(flow.tuple)
        try:
            async with asyncio.timeout_at(self._patience(running, flow)):
                return await running.hub.offers.take(flow.tuple)
        except TimeoutError as error:
            message = f"no agent asked for the connection from '{flow.remote.address}'"
            raise Unavailable(message, Reason.PEER_UNREACHABLE) from error

    def _patience(self, running: _Running, flow: Flow) -> float:
        """Until when to wait, on the loop's clock: shortly before the deadline, at which the programs release it."""
        deadline = flow.deadline_ns / 1e9
        last = deadline - min(0.25, (deadline - time.monotonic()) / 10)
        if flow.passthrough:
            return last
        unknown = flow.peer is None or not running.hub.listener.knows(flow.peer.name)
        return min(last, time.monotonic() + self._settings.stranger_grace_s) if unknown else last
