# SPDX-License-Identifier: Apache-2.0
"""An agent in memory, for tests of key providers: it keeps its promises, it only has no kernel."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from typing import TypeVar, cast
from uuid import UUID

from tlshub_core.types.capture import State
from tlshub_core.types.errors import Reason, Refused
from tlshub_core.types.events import Event
from tlshub_core.types.flow import Address, Flow, Mode, Pod, Tuple4
from tlshub_core.types.interfaces import Identity
from tlshub_core.types.keys import Cipher

E = TypeVar("E", bound=Event)
T = TypeVar("T")


class FakeAgent:
    """An AgentContext: the mapping is `pods`, this node's own addresses those of its pods.

    A flow is NEW until `ask` moves it to ASKED; set `states[flow.id]` to have it refused. `refuse` makes `expect`
    refuse with that reason, `leaves` false makes `leave` refuse. `events`, `expected`, `left` (`left_for`: why) and
    `warm_peers` record what the provider said, `shared` what providers have in common; `named` is the provider that the
    rule names.
    """

    def __init__(
        self,
        identity: Identity,
        *,
        pods: Sequence[Pod] = (),
        ciphers: Sequence[Cipher] = (Cipher.AES_GCM_128,),
        providers_allowed: Sequence[str] = (),
        mode: Mode = Mode.REQUIRE,
    ) -> None:
        self.identity, self.ciphers, self.mode = identity, ciphers, mode
        self.providers_allowed = frozenset(providers_allowed)
        self.log = logging.getLogger(f"tlshub.{identity.node}")
        self.refuse: Reason | None = None
        self.named: str | None = None
        self.shared: dict[str, object] = {}
        self.states: dict[UUID, State] = {}
        self.expected: list[Tuple4] = []
        self.accepted: dict[Tuple4, State] = {}
        self.left: list[Tuple4] = []
        self.left_for: dict[Tuple4, Reason] = {}
        self.leaves = True
        self.events: list[Event] = []
        self.warm_peers: dict[Address, bool] = {}
        self._pods = {pod.address: pod for pod in pods if pod.address is not None}

    def pod(self, address: Address) -> Pod | None:
        """The pod with that address."""
        return self._pods.get(address)

    def mine(self, address: Address) -> bool:
        """Whether a pod of this node has that address."""
        pod = self._pods.get(address)
        return pod is not None and pod.node.name == self.identity.node

    def provider_of(self, tuple4: Tuple4) -> str | None:
        """What the test says."""
        return self.named

    def common(self, name: str, make: Callable[[], T]) -> T:
        """The first one made."""
        if name not in self.shared:
            self.shared[name] = make()
        return cast(T, self.shared[name])

    async def ask(self, flow: Flow) -> None:
        """NEW to ASKED; raises Refused where the flow is NEW no more."""
        state = self.states.setdefault(flow.id, State.NEW)
        if state is not State.NEW:
            raise Refused(f"the flow is '{state.name}' already", Reason.ALREADY_CLEAR)
        self.states[flow.id] = State.ASKED

    async def ready(self) -> None:
        """At once."""

    async def expect(self, tuple4: Tuple4, unless: Collection[State] = ()) -> Mode:
        """Record the promise; raises Refused for an address that is not this node's, or with `refuse`.

        Of a tuple in `accepted` that is the state of its connection, on which `unless` depends.
        """
        if self.refuse is not None:
            raise Refused(f"refused with '{self.refuse.value}', as the test wants it", self.refuse)
        if not self.mine(tuple4.server):
            raise Refused(f"'{tuple4.server}' is not an address of '{self.identity.node}'", Reason.NOT_MINE)
        if self.accepted.get(tuple4) in unless:
            raise Refused("the connection may have keys", Reason.KEYS_LOST)
        self.expected.append(tuple4)
        return self.mode

    async def leave(self, tuple4: Tuple4, reason: Reason = Reason.PASSTHROUGH) -> None:
        """Record the promise to leave it alone; raises Refused as `expect`, and where `leaves` is false."""
        if not self.mine(tuple4.server):
            raise Refused(f"'{tuple4.server}' is not an address of '{self.identity.node}'", Reason.NOT_MINE)
        if not self.leaves:
            raise Refused(f"no rule leaves TLS to port {tuple4.server_port} alone", Reason.NO_RULE)
        self.left.append(tuple4)
        self.left_for[tuple4] = reason

    def said(self, kind: type[E]) -> list[E]:
        """The events of that type, in order."""
        return [event for event in self.events if isinstance(event, kind)]

    def emit(self, event: Event) -> None:
        """Record an event."""
        self.events.append(event)

    def warm(self, address: Address, up: bool) -> None:
        """Record whether a session is up."""
        self.warm_peers[address] = up
