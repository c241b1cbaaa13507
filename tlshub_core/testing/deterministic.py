# SPDX-License-Identifier: Apache-2.0
"""A key provider whose keys anybody can compute: its nodes meet in memory. For tests, never installed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from itertools import count

from tlshub_core.testing.deterministic_keys import DeterministicPending
from tlshub_core.testing.options import NoOptions
from tlshub_core.types.errors import Reason, Refused, Unavailable
from tlshub_core.types.flow import Flow, Side, Tuple4
from tlshub_core.types.interfaces import AgentContext, KeyProvider, Level, Probe
from tlshub_core.types.keys import Cipher
from tlshub_core.types.spec import KeyProviderSpec


@dataclass(slots=True, kw_only=True)
class Meeting:
    """Where nodes find each other: started providers by their node's name, and a number for each flow agreed on."""

    nodes: dict[str, DeterministicProvider] = field(default_factory=dict)
    numbers: count[int] = field(default_factory=count)


class DeterministicProvider:
    """A KeyProvider that does all that the contract wants, with SHA-256 over a counter in the place of a secret."""

    def __init__(self, meeting: Meeting) -> None:
        self.meeting = meeting
        self.agent: AgentContext | None = None
        self._offers: dict[Tuple4, DeterministicPending] = {}
        self._waiting: dict[Tuple4, asyncio.Future[DeterministicPending]] = {}

    async def probe(self) -> Probe:
        """Always ready."""
        return Probe(level=Level.OK, message="in memory")

    async def start(self, agent: AgentContext) -> None:
        """Be there for the others."""
        self.agent, self.meeting.nodes[agent.identity.node] = agent, self

    async def stop(self) -> None:
        """Be gone; connections that wait get Unavailable."""
        agent, self.agent = self.agent, None
        if agent is not None:
            self.meeting.nodes.pop(agent.identity.node, None)
        for waiter in self._waiting.values():
            waiter.set_exception(Unavailable("the agent is stopping", Reason.SHUTDOWN))
        self._waiting.clear()

    async def prepare(self, flow: Flow) -> DeterministicPending:
        """Client side: ask the peer. Server side: wait until the peer has asked."""
        if flow.side is Side.SERVER:
            return await self.take(flow.tuple)
        peer = self.peer(flow)
        await self.running().ask(flow)
        number, cipher = await peer.promise(flow)
        return DeterministicPending(number, cipher)

    async def leave(self, flow: Flow, reason: Reason = Reason.PASSTHROUGH) -> None:
        """Have the peer's agent leave the connection alone."""
        try:
            await self.peer(flow).running().leave(flow.tuple, reason)
        except Refused as error:
            raise Refused(str(error), error.reason, by_peer=True) from error

    def running(self) -> AgentContext:
        """This node's agent; raises Unavailable where the provider is not started."""
        if self.agent is None:
            raise Unavailable("the provider is not running", Reason.SHUTDOWN)
        return self.agent

    def peer(self, flow: Flow) -> DeterministicProvider:
        """The provider of the other node; raises Unavailable."""
        self.running()
        found = self.meeting.nodes.get(flow.peer.name) if flow.peer else None
        if found is None:
            raise Unavailable("the other node's agent does not answer", Reason.PEER_UNREACHABLE)
        return found

    async def promise(self, flow: Flow) -> tuple[int, Cipher]:
        """What a peer answers: its promise that the flow is held, and what the keys are made of; raises Refused."""
        agent = self.running()
        try:
            await agent.expect(flow.tuple)
        except Refused as error:
            raise Refused(str(error), error.reason, by_peer=True) from error
        agreed = next(self.meeting.numbers), agent.ciphers[0]
        self.offer(flow.tuple, DeterministicPending(*agreed))
        return agreed

    def offer(self, tuple4: Tuple4, pending: DeterministicPending) -> None:
        """Keep the keys for the connection, or give them to it where it waits."""
        waiter = self._waiting.pop(tuple4, None)
        if waiter is not None and not waiter.done():
            waiter.set_result(pending)
        else:
            self._offers[tuple4] = pending

    async def take(self, tuple4: Tuple4) -> DeterministicPending:
        """The keys for a connection, waiting for them if need be."""
        self.running()
        if (found := self._offers.pop(tuple4, None)) is not None:
            return found
        waiter: asyncio.Future[DeterministicPending] = asyncio.get_running_loop().create_future()
        self._waiting[tuple4] = waiter
        try:
            return await waiter
        finally:
            self._waiting.pop(tuple4, None)


def deterministic_spec(meeting: Meeting, make: type[DeterministicProvider] = DeterministicProvider) -> KeyProviderSpec:
    """A descriptor whose providers meet there."""

    def factory(_: NoOptions) -> KeyProvider:
        return make(meeting)

    return KeyProviderSpec(
        name="deterministic", summary="for tests", config=NoOptions, factory=factory, passthrough=True
    )
