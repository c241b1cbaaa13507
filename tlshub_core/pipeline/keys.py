# SPDX-License-Identifier: Apache-2.0
"""Step 3: who supplies the keys of a flow, and the promise of both ends that it will be KTLS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from socket import AF_INET, AF_INET6

from tlshub_core.pipeline.local import NAME as LOCAL
from tlshub_core.pipeline.local import LocalKeys
from tlshub_core.pipeline.serving import Serving
from tlshub_core.types.errors import Reason, Refused, TlshubError, Unavailable, Unsupported
from tlshub_core.types.flow import Flow, Mode, Side
from tlshub_core.types.interfaces import AgentContext, CaptureBackend, LeavingProvider, Pending


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was agreed, and with whose help."""

    provider: str
    pending: Pending


class Keys:
    """Chooses the provider of each flow: the rule's, else the default one; for both ends here, none is needed."""

    def __init__(self, agent: AgentContext, backend: CaptureBackend, serving: Serving) -> None:
        self._agent, self._backend, self._serving = agent, backend, serving
        self._local = LocalKeys(agent.ciphers[0])

    def provider_of(self, flow: Flow, by_rule: str | None, born_ns: int) -> str:
        """The name of the provider that the flow's keys come from; it began at `born_ns`, CLOCK_MONOTONIC."""
        return LOCAL if self._is_local(flow) else by_rule or self._serving.default_at(born_ns)

    def _is_local(self, flow: Flow) -> bool:
        return self._agent.mine(flow.client.address) and self._agent.mine(flow.server.address)

    async def prepare(self, flow: Flow, provider: str) -> Asked:
        """Agree on keys for the flow; raises a TlshubError, with Reason.PROVIDER_BUG where the provider broke."""
        if provider == LOCAL:
            return Asked(provider=LOCAL, pending=await self._prepare_local(flow))
        running = self._serving.running.get(provider)
        if running is None:
            raise Unavailable(f"provider '{provider}' does not run")
        family = AF_INET if flow.remote.address.version == 4 else AF_INET6
        if family not in running.spec.families:
            raise Unsupported(f"address family {family.name} is not supported by provider '{provider}'")
        try:
            return Asked(provider=provider, pending=await running.provider.prepare(flow))
        except TlshubError:
            raise
        except Exception as error:
            raise bug(provider, error) from error

    async def leave(self, flow: Flow, provider: str) -> None:
        """Have the other end left alone; raises a TlshubError, with Reason.PROVIDER_BUG where the provider broke."""
        if provider == LOCAL:
            return await self._agent.leave(flow.tuple)
        running = self._serving.running.get(provider)
        if running is None or not isinstance(running.provider, LeavingProvider):
            raise Unavailable(f"provider '{provider}' cannot tell the peer to leave a connection alone")
        try:
            await running.provider.leave(flow)
        except TlshubError:
            raise
        except Exception as error:
            raise bug(provider, error) from error

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

    async def _prepare_local(self, flow: Flow) -> Pending:
        if flow.side is Side.SERVER:
            await self._local.told(flow.tuple)
            pending = self._local.take(flow.tuple)
        else:
            _, mode = self._backend.match(Side.SERVER, flow.client.address, flow.server.port)
            if mode <= Mode.OBSERVE or flow.server.port == self._agent.identity.port:
                raise Refused("no rule of this node holds the accepting end", Reason.NO_RULE, by_peer=True)
            pending = self._local.offer(flow.tuple)
        try:
            await self._agent.ask(flow)
        except TlshubError:
            pending.discard()
            raise
        return pending


def bug(provider: str, error: Exception) -> Unavailable:
    """What becomes of an exception that the contract does not know: that flow's failure, named as the plugin's bug."""
    return Unavailable(f"bug in provider '{provider}': {type(error).__name__}: {error}", Reason.PROVIDER_BUG)
