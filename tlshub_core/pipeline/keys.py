# SPDX-License-Identifier: Apache-2.0
"""Step 3: who supplies the keys of a flow, and the promise of both ends that it will be KTLS."""

from __future__ import annotations

import time
from collections.abc import Collection, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from socket import AF_INET, AF_INET6

from tlshub_core.pipeline.asked import Asked, blamed
from tlshub_core.pipeline.local import NAME as LOCAL
from tlshub_core.pipeline.local import LocalKeys
from tlshub_core.pipeline.race import Race
from tlshub_core.pipeline.serving import Running, Serving
from tlshub_core.types import events
from tlshub_core.types.capture import State
from tlshub_core.types.errors import Reason, Refused, TlshubError, Unavailable, Unsupported
from tlshub_core.types.flow import Flow, Side
from tlshub_core.types.interfaces import AgentContext, AskingAgain, LeavingProvider, Pending

KEYED = frozenset({State.INSTALLING, State.OPEN})  # an accepting end that was taken over is ARMED no more


class Keys:
    """Chooses the providers of each flow: the rule's, else the default one; for both ends here, none is needed."""

    def __init__(self, agent: AgentContext, serving: Serving) -> None:
        self._agent, self._serving = agent, serving
        self._local = LocalKeys(agent.ciphers[0])

    def providers_of(self, flow: Flow, by_rule: str | None, born_ns: int) -> tuple[str, ...]:
        """Who may supply the flow's keys, the likely one first; it began at `born_ns`, CLOCK_MONOTONIC.

        The connecting end decides; the accepting one waits for all that a peer may ask for.
        """
        if self._is_local(flow):
            return (LOCAL,)
        if by_rule:
            return (by_rule,)
        default = self._serving.default_at(born_ns)
        if flow.side is Side.CLIENT:
            return (default,)
        return self._serving.accepting(default, lambda: self._agent.providers_allowed)

    def _is_local(self, flow: Flow) -> bool:
        return self._agent.mine(flow.client.address) and self._agent.mine(flow.server.address)

    async def prepare(self, flow: Flow, providers: Sequence[str]) -> Asked:
        """Agree on keys for the flow; raises a TlshubError, with Reason.PROVIDER_BUG where the provider broke."""
        if len(providers) == 1:
            return await self._prepare(providers[0], flow)
        able = [name for name in providers if self._serves(name, flow)] or providers[:1]
        return await Race(flow, [partial(self._prepare, name) for name in able]).run()

    async def prepare_again(self, flow: Flow, provider: str) -> Asked:
        """Of a connecting end that was asked for by an agent before this one; raises as `prepare`."""
        return await self._prepare(provider, flow, again=True)

    def can_ask_again(self, flow: Flow, provider: str) -> bool:
        """Whether an agent after this one may agree on other keys for the flow, if that provider serves it then."""
        if provider == LOCAL:
            return True
        return flow.side is Side.CLIENT and isinstance(self._running(provider).provider, AskingAgain)

    async def _prepare(self, provider: str, flow: Flow, again: bool = False) -> Asked:
        now = time.monotonic_ns()
        self._agent.emit(events.KeysAsked(time_ns=now, flow=flow.id, provider=provider))
        if provider == LOCAL:
            return Asked(provider=LOCAL, pending=await self._prepare_local(flow, again))
        running = self._running(provider)
        if not self._serves(provider, flow):
            family = f"IPv{flow.remote.address.version}"
            raise Unsupported(f"{family} is not supported by provider '{provider}'")
        with blamed(provider):
            pending = await (_again(running, flow) if again else running.provider.prepare(flow))
        asked_as: str = getattr(pending, "asked_as", provider)  # see NamedPending
        return Asked(provider=asked_as, pending=pending)

    def _running(self, provider: str) -> Running:
        running = self._serving.running.get(provider)
        if running is None:
            raise Unavailable(f"provider '{provider}' does not run")
        return running

    def _serves(self, provider: str, flow: Flow) -> bool:
        family = AF_INET if flow.remote.address.version == 4 else AF_INET6
        return family in self._running(provider).spec.families

    async def leave(self, flow: Flow, provider: str, reason: Reason = Reason.PASSTHROUGH) -> None:
        """Have the other end left alone; raises a TlshubError, with Reason.PROVIDER_BUG where the provider broke."""
        if provider == LOCAL:
            return await self._agent.leave(flow.tuple, reason)
        running = self._running(provider)
        if not isinstance(running.provider, LeavingProvider):
            raise Unavailable(f"provider '{provider}' cannot tell the peer to leave a connection alone")
        with blamed(provider):
            await running.provider.leave(flow, reason)

    @contextmanager
    def announced(self, flow: Flow, provider: str) -> Iterator[None]:
        """While the connecting end is looked at, an accepting end on this node waits for what comes of it."""
        if provider != LOCAL or flow.side is not Side.CLIENT:
            yield
            return
        announced = self._local.announce(flow.tuple)
        try:
            yield
        finally:
            self._local.decided(flow.tuple, announced)

    async def _prepare_local(self, flow: Flow, again: bool) -> Pending:
        if flow.side is Side.SERVER:
            await self._local.told(flow.tuple)
            pending = self._local.take(flow.tuple)
        else:
            await self._promise_local(flow, KEYED if again else ())
            pending = self._local.offer(flow.tuple)
        try:
            await self._agent.ask(flow)
        except TlshubError:
            pending.discard()
            raise
        return pending

    async def _promise_local(self, flow: Flow, unless: Collection[State]) -> None:
        """The accepting end begins later, maybe under other rules: from now on it is held, whatever they are then."""
        try:
            await self._agent.expect(flow.tuple, unless)
        except Refused as error:
            raise Refused(f"the accepting end is on this node: {error}", error.reason, by_peer=True) from error


def _again(running: Running, flow: Flow) -> Coroutine[None, None, Pending]:
    if isinstance(running.provider, AskingAgain):
        return running.provider.prepare_again(flow)
    message = f"its keys died with an earlier agent, and provider '{running.spec.name}' cannot agree on others"
    raise Unavailable(message, Reason.KEYS_LOST)
