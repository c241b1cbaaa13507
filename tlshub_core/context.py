# SPDX-License-Identifier: Apache-2.0
"""What the core offers a key provider: identity, mapping, promises about flows, events."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Sequence
from copy import copy
from typing import TypeVar, cast

from tlshub_core.addresses import is_local
from tlshub_core.promises import Promises
from tlshub_core.types.capture import DECIDED, State
from tlshub_core.types.errors import UNFIT, Reason, Refused
from tlshub_core.types.events import Event
from tlshub_core.types.flow import Address, Flow, Mode, Pod, Side, Tuple4
from tlshub_core.types.interfaces import CaptureBackend, Identity, MappingSource
from tlshub_core.types.keys import Cipher
from tlshub_core.warmth import Warmth

LEFT_NS = 30_000_000_000  # longer than a first segment takes; one that comes later is held, and ends by its mode
EXPECTED_NS = 330_000_000_000  # longer than TCP tries: what was promised to the peer never begins as NEW
T = TypeVar("T")


class Context:
    """See `AgentContext`; one for the life of an agent, and a `view` of it for each provider."""

    log = logging.getLogger("tlshub.provider")

    def __init__(
        self,
        identity: Identity,
        ciphers: Sequence[Cipher],
        allowed: Callable[[], frozenset[str]],
        backend: CaptureBackend,
        mapping: MappingSource | None,
        emit: Callable[[Event], None],
        rule: Callable[[int], tuple[str, str | None]],
    ) -> None:
        self.identity, self.ciphers, self._allowed = identity, ciphers, allowed
        self._backend, self._mapping, self._emit, self._rule = backend, mapping, emit, rule
        self._shared: dict[str, object] = {}
        self._provider, self.warmth = "", Warmth(self._tell_warm)
        self._begun, self.promises = asyncio.Event(), Promises()

    def view(self, provider: str) -> Context:
        """The same agent, which knows who speaks."""
        view = copy(self)
        view._provider = provider
        return view

    @property
    def providers_allowed(self) -> frozenset[str]:
        """What a peer may ask this node for, now."""
        return self._allowed()

    def provider_of(self, tuple4: Tuple4) -> str | None:
        """The provider that the rule of the accepting end names."""
        number, mode = self._backend.match(Side.SERVER, tuple4.client, tuple4.server_port)
        return self._rule(number)[1] if mode > Mode.OBSERVE else None

    def common(self, name: str, make: Callable[[], T]) -> T:
        """What providers share: made by the first who asks."""
        if name not in self._shared:
            self._shared[name] = make()
        return cast(T, self._shared[name])

    def pod(self, address: Address) -> Pod | None:
        """The pod with that address."""
        return self._mapping.by_address(address) if self._mapping else None

    def mine(self, address: Address) -> bool:
        """One of this host's addresses in the agent's network namespace, or of a pod that the mapping puts here."""
        pod = self.pod(address)
        return pod.node.name == self.identity.node if pod else is_local(address)

    async def ask(self, flow: Flow) -> None:
        """NEW becomes ASKED, for one that was promised to the peer already it is so; raises Refused else."""
        before = self._backend.move(flow.cookie, State.NEW, State.ASKED)
        if before is None:
            raise Refused("the connection is closed", Reason.CLOSED)
        if before in DECIDED:
            raise Refused(f"the flow is already '{before.name.lower()}'", Reason.ALREADY_CLEAR)

    def begin(self) -> None:
        """The programs are attached, and what an earlier agent left is taken over: promises can be kept."""
        self._begun.set()

    def end(self) -> None:
        """The agent stops: who asks from now on is answered by the next one, in another session."""
        self._begun.clear()

    async def ready(self) -> None:
        """From `begin` to `end`; sessions may be up before."""
        await self._begun.wait()

    async def expect(self, tuple4: Tuple4, unless: Collection[State] = ()) -> Mode:
        """Promise that the accepting end, come or to come, is held and will be KTLS."""
        await self.ready()
        self._check_mine(tuple4)
        number, mode = self._backend.match(Side.SERVER, tuple4.client, tuple4.server_port)
        if mode <= Mode.OBSERVE:
            who = f"rule '{self._rule(number)[0]}' holds no" if number >= 0 else "no rule holds"
            raise Refused(f"{who} connections to port {tuple4.server_port}", Reason.NO_RULE)
        self._check_let_go(tuple4, mode)
        before = self._backend.expect(tuple4, time.monotonic_ns() + EXPECTED_NS)
        if before in (State.CLEAR, State.REFUSED):
            raise Refused(f"the connection is already '{before.name.lower()}'", Reason.ALREADY_CLEAR)
        if before is not None and before in unless:
            raise Refused(f"the connection may have keys: it is '{before.name.lower()}'", Reason.KEYS_LOST)
        if before is None:
            self.promises.made(tuple4)
        return mode

    async def leave(self, tuple4: Tuple4, reason: Reason = Reason.PASSTHROUGH) -> None:
        """Promise that the accepting end, come or to come, is in clear, as this node's own rule has it."""
        await self.ready()
        self._check_mine(tuple4)
        if not self._backend.leave(tuple4, time.monotonic_ns() + LEFT_NS, reason):
            where, what = f"to port {tuple4.server_port}", f"'{reason.value}'" if reason in UNFIT else "TLS"
            raise Refused(
                f"no rule here leaves {what} {where} alone, or the connection is decided upon", Reason.NO_RULE
            )

    def _check_let_go(self, tuple4: Tuple4, mode: Mode) -> None:
        if mode is Mode.PREFER and self.promises.may_be_let_go(tuple4):
            message = "one that may be the same, by an address translated on the way, went in clear just now"
            raise Refused(message, Reason.ALREADY_CLEAR)

    def _check_mine(self, tuple4: Tuple4) -> None:
        if not self.mine(tuple4.server):
            raise Refused(f"'{tuple4.server}' is not an address of node '{self.identity.node}'", Reason.NOT_MINE)
        if tuple4.server_port == self.identity.port:
            raise Refused("that port is the agents' own", Reason.NO_RULE)

    def emit(self, event: Event) -> None:
        """Hand an event to the sinks."""
        self._emit(event)

    def warm(self, address: Address, up: bool) -> None:
        """It is so for the agent where all providers of new connections say so."""
        self.warmth.say(self._provider, address, up)

    def _tell_warm(self, address: Address, up: bool) -> None:
        """A session serves that node's own address and the pods that the mapping puts there."""
        pods = self._mapping.pods() if self._mapping else ()
        served = [pod.address for pod in pods if pod.address and pod.node.address == address]
        for one in {address, *served}:
            self._backend.warm(one, up)
