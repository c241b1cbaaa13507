# SPDX-License-Identifier: Apache-2.0
"""The way of one connection, from the SYN to the release: each step is a file of this folder."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence

from tlshub_core.pipeline import descriptor, ktls, release, said, taken
from tlshub_core.pipeline.asked import Asked
from tlshub_core.pipeline.ending import Ending
from tlshub_core.pipeline.first import First
from tlshub_core.pipeline.keys import Keys
from tlshub_core.pipeline.moves import Moves
from tlshub_core.pipeline.owners import Owners
from tlshub_core.pipeline.timeline import Stamps
from tlshub_core.pipeline.tools import Tools
from tlshub_core.pipeline.turns import turn_of
from tlshub_core.types import events
from tlshub_core.types.capture import FlowEstablished, FlowSeen, State
from tlshub_core.types.errors import Reason, TlshubError, Unavailable
from tlshub_core.types.flow import Flow, Side
from tlshub_core.types.keys import FlowKeys

_log = logging.getLogger("tlshub.connection")


class Connection:
    """One captured connection; its task ends when the flow is open, released, refused or closed.

    `taken`: an agent before this one began it, and `seen` is where it stood.
    """

    def __init__(
        self, tools: Tools, seen: FlowSeen, flow: Flow, providers: Sequence[str], *, taken: bool = False
    ) -> None:
        self._tools, self.seen, self.flow, self._providers = tools, seen, flow, providers
        self._asked_before = taken and seen.state is State.ASKED
        # Of several it is known which one serves when it has agreed; and nobody knows which one served before.
        self.provider = "" if taken and seen.state is State.OPEN else providers[0]
        self.ends = str(flow.client), str(flow.server)
        self._established: asyncio.Future[FlowEstablished] = asyncio.get_running_loop().create_future()
        self._moves = Moves(tools.backend, flow.cookie, tools.gate_ns)
        self.owners = Owners(flow.id, flow.cookie, seen.owner, tools.agent.emit, tools.heirs)
        self.ending = Ending(tools, flow, self.owners, self._established, seen.time_ns)
        if flow.side is Side.SERVER:
            tools.promises.kept(flow.tuple)
        self.first = First(tools, self._established)
        self.cipher, self.hold_ns, self.stamps = "", 0, Stamps()

    @property
    def established_ns(self) -> int:
        """When TCP's handshake was complete; 0 where it is not."""
        known = self._established.done() and not self._established.cancelled()
        return self._established.result().time_ns if known else 0

    def established(self, event: FlowEstablished) -> None:
        """TCP's handshake is complete."""
        if not self._established.done():
            self._established.set_result(event)

    def can_be_taken_over(self) -> bool:
        """Whether the next agent could secure it: nobody was asked yet, or its own end is the one that asks again."""
        state, keys = self.ending.state(), self._tools.keys
        return state is State.NEW or (
            state in (State.ASKED, State.ARMED) and keys.can_ask_again(self.flow, self.provider)
        )

    async def run(self) -> None:
        """All steps; whatever fails ends in a release by the flow's rule."""
        try:
            await self._secure()
        except (TlshubError, TimeoutError) as error:
            self.ending.fail(error if isinstance(error, TlshubError) else self._late())
        except Exception as error:  # noqa: BLE001 - logged with its trace; a bug here must end this flow by its rule
            _log.exception("bug in the agent, at connection %s", self.flow.id)
            self.ending.fail(Unavailable(f"bug in the agent: {type(error).__name__}", Reason.PROVIDER_BUG))
        finally:
            sock, self.ending.socket = self.ending.socket, None
            if sock is not None:
                descriptor.let_go(sock)

    async def _secure(self) -> None:
        if self.seen.state is State.INSTALLING:
            return taken.finish(self.ending)
        if not self.flow.passthrough or self._asked_before:
            return await self._proceed()
        with self._tools.keys.announced(self.flow, self.provider):
            self.flow = await self.first.heard(self.flow, self.seen.time_ns)
            if not await self.first.is_left_alone(self.flow, self.provider, self.ending):
                await self._proceed()

    async def _proceed(self) -> None:
        self.flow = await turn_of(self.flow, self._tools.turns, syn_held=self.seen.syn_held)
        async with asyncio.timeout_at(_loop_time(self.flow.deadline_ns)):
            asked = await self._agree()
        try:
            keys = await self._fetch(asked)
        finally:
            asked.discard()
        try:
            await self._install(keys)
        finally:
            keys.wipe()
        now = time.monotonic_ns()
        self.cipher, self.hold_ns = keys.cipher.label, now - self.established_ns
        self._emit(said.secured(self, now))

    async def _agree(self) -> Asked:
        agree = taken.agree if self._asked_before else Keys.prepare
        self.stamps.asked_ns = began = time.monotonic_ns()
        with self.ending.looked_into():
            asked = await agree(self._tools.keys, self.flow, self._providers)
        self.provider, self.stamps.negotiation_ns = asked.provider, time.monotonic_ns() - began
        try:
            self._moves.arm(awaited=self._established.done() and self.flow.side is Side.CLIENT)
        except TlshubError:
            asked.discard()
            raise
        return asked

    async def _fetch(self, asked: Asked) -> FlowKeys:
        """Wait for TCP and for somebody to have the descriptor, then have the keys made."""
        established = await self._established
        await self.owners.known()
        await self._tools.turns.take(urgent=True)
        self.ending.socket = await self.owners.get(self._moves.nobody_waits, self._tools.gate_ns / 1e9)
        began = time.monotonic_ns()
        async with asyncio.timeout(self._tools.gate_ns / 1e9):
            keys = await asked.keys(established.isns(self.flow.side))
        self._had(keys, began)
        return keys

    def _had(self, keys: FlowKeys, began: int) -> None:
        now, stamps = time.monotonic_ns(), self.stamps
        stamps.keys_ns, stamps.negotiation_ns = now, (stamps.negotiation_ns or 0) + now - began
        cipher = keys.cipher.label
        self._emit(events.KeysReady(time_ns=now, flow=self.flow.id, provider=self.provider, cipher=cipher))

    async def _install(self, keys: FlowKeys) -> None:
        self._moves.install()
        sock = self.ending.socket
        assert sock is not None
        if self._tools.keylog is not None:
            self._tools.keylog.write(self.flow, keys)
        self.stamps.tx_ns, self.stamps.rx_ns = ktls.install(sock, keys, self.flow.side)
        self._moves.open()
        release.wake_writer(sock)
        self.ending.outcome = State.OPEN

    def _late(self) -> Unavailable:
        return taken.late() if self._asked_before else Unavailable("no keys within the deadline", Reason.DEADLINE)

    def _emit(self, event: events.Event) -> None:
        self._tools.agent.emit(event)


def _loop_time(monotonic_ns: int) -> float:
    """asyncio's clock is CLOCK_MONOTONIC in seconds."""
    return monotonic_ns / 1e9
