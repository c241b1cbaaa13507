# SPDX-License-Identifier: Apache-2.0
"""A key provider that does what a test says, with real keys that it remembers, so that wiping can be checked."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from socket import AF_INET, AF_INET6, AddressFamily, socket

from tlshub_core.pipeline.local import random_keys
from tlshub_core.testing.options import NoOptions
from tlshub_core.types.errors import Reason, Refused
from tlshub_core.types.flow import Flow, Isns
from tlshub_core.types.interfaces import AgentContext, Level, Pending, Probe
from tlshub_core.types.keys import Cipher, FlowKeys
from tlshub_core.types.spec import KeyProviderSpec


@dataclass(slots=True, kw_only=True)
class Script:
    """What the provider does: `wait`, ask the peer, `asked_wait`, `prepare_error`; `keys_wait`, `keys_error`."""

    wait: asyncio.Event | None = None
    ask: bool = True
    asked_wait: asyncio.Event | None = None
    prepare_error: Exception | None = None
    keys_wait: asyncio.Event | None = None
    keys_error: Exception | None = None
    discard_error: Exception | None = None


class ScriptedProvider:
    """A KeyProvider; `steps` is what was called, `given` all keys that were handed over.

    `refused` has the cookies of flows of which it said that the peer refused, `told` why a peer was to leave one alone.
    A flow keeps the script it began with.
    """

    def __init__(self, agent: AgentContext, script: Script | None = None) -> None:
        self._agent, self.script = agent, script or Script()
        self.steps: list[str] = []
        self.given: list[FlowKeys] = []
        self.refused: set[int] = set()
        self.told: list[Reason] = []

    async def probe(self) -> Probe:
        """Always ready."""
        return Probe(level=Level.OK, message="scripted")

    async def start(self, agent: AgentContext) -> None:
        """Nothing to start."""

    async def stop(self) -> None:
        """Nothing to stop."""

    async def leave(self, flow: Flow, reason: Reason = Reason.PASSTHROUGH) -> None:
        """As the script says, with what it says of `prepare`; nothing is asked."""
        script = self.script
        self.steps.append("leave")
        self.told.append(reason)
        await _wait(script.wait)
        if script.prepare_error is not None:
            raise script.prepare_error

    async def prepare(self, flow: Flow) -> Pending:
        """As the script says."""
        return await self._agree("prepare", flow)

    async def prepare_again(self, flow: Flow) -> Pending:
        """As `prepare`."""
        return await self._agree("prepare again", flow)

    async def _agree(self, step: str, flow: Flow) -> Pending:
        script = self.script
        self.steps.append(step)
        await _wait(script.wait)
        if script.ask:
            await self._agent.ask(flow)
        await _wait(script.asked_wait)
        if script.prepare_error is not None:
            if isinstance(script.prepare_error, Refused) and script.prepare_error.by_peer:
                self.refused.add(flow.cookie)
            raise script.prepare_error
        return ScriptedPending(self, script)


async def _wait(event: asyncio.Event | None) -> None:
    if event is not None:
        await event.wait()


@dataclass(frozen=True, slots=True)
class ScriptedPending:
    """Keys of one flow."""

    provider: ScriptedProvider
    script: Script

    async def keys(self, isns: Isns, sock: socket | None) -> FlowKeys:
        """Random ones, as the script says."""
        self.provider.steps.append("keys")
        await _wait(self.script.keys_wait)
        if self.script.keys_error is not None:
            raise self.script.keys_error
        self.provider.given.append(random_keys(Cipher.AES_GCM_128))
        return self.provider.given[-1]

    def discard(self) -> None:
        """As the script says."""
        self.provider.steps.append("discard")
        if self.script.discard_error is not None:
            raise self.script.discard_error


def spec_of(
    provider: ScriptedProvider, families: frozenset[AddressFamily] = frozenset({AF_INET, AF_INET6})
) -> KeyProviderSpec:
    """A descriptor whose factory gives that provider."""
    return KeyProviderSpec(
        name="scripted",
        summary="for tests",
        config=NoOptions,
        factory=lambda _: provider,
        families=families,
        passthrough=True,
    )


def wiped(keys: FlowKeys) -> bool:
    """Whether no key byte is left in either direction."""
    ways = (keys.client_to_server, keys.server_to_client)
    return not any(any(part) for way in ways for part in (way.key, way.salt, way.iv, way.rec_seq))
