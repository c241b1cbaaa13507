# SPDX-License-Identifier: Apache-2.0
"""How a connection begins for this agent: seen by it, or taken over from the one before; and how that is said."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tlshub_core.pipeline.connection import Connection
from tlshub_core.pipeline.mapping import enrich
from tlshub_core.pipeline.tools import Tools
from tlshub_core.types import events
from tlshub_core.types.capture import DECIDED, FlowKept, FlowSeen, State
from tlshub_core.types.flow import Flow, Side
from tlshub_core.types.interfaces import MappingSource

RuleNames = Callable[[int], tuple[str, str | None]]  # number -> name, and the provider that the rule asks for


class Beginning:
    """Makes connections; `handshake_ns` is how long each has for its keys."""

    def __init__(self, tools: Tools, mapping: MappingSource | None, rule: RuleNames, handshake_ns: int) -> None:
        self._tools, self._mapping, self._rule, self._handshake_ns = tools, mapping, rule, handshake_ns

    def seen(self, seen: FlowSeen) -> Connection:
        """One that an event told of."""
        connection = self._make(seen, self._rule(seen.rule), seen.time_ns)
        if seen.owner is not None:
            connection.owners.since_ns = seen.time_ns
        self._tools.agent.emit(events.Connecting(time_ns=seen.time_ns, **_said(connection)))
        return connection

    def taken(self, kept: FlowKept) -> Connection | None:
        """One of an agent before this one, with its time begun anew; None where it is gone meanwhile.

        The number of its rule was that of other rules; which one it would get now, only its name and provider tell.
        """
        now, seen = time.monotonic_ns(), kept.seen
        state = self._revive(seen, now)
        if state is None:
            return None
        owner = kept.owned.owner if kept.owned else seen.owner
        seen = replace(seen, state=state, owner=owner)
        connection = self._make(seen, self._rule_now(seen), now, taken=True)
        self._tools.agent.emit(events.TakenOver(time_ns=now, **_said(connection), state=state))
        if kept.established is not None:
            connection.established(kept.established)
        if state is State.OPEN:
            connection.ending.outcome = state
        return connection

    def _revive(self, seen: FlowSeen, now: int) -> State | None:
        """Its state now. What was ARMED is ASKED again, since its keys are gone: a SYN that has not come is held.

        The agent's own deadline comes first, and tells why; one that is being installed is decided upon at once.
        """
        state, to = seen.state, State.ASKED if seen.state is State.ARMED else seen.state
        if state in DECIDED:
            return state
        before = self._tools.backend.move(seen.cookie, state, to, now + self._handshake_ns + self._tools.gate_ns)
        return to if before is state else before

    def _rule_now(self, seen: FlowSeen) -> tuple[str, str | None]:
        remote = seen.tuple.server if seen.side is Side.CLIENT else seen.tuple.client
        number, _ = self._tools.backend.match(seen.side, remote, seen.tuple.server_port)
        return self._rule(number) if number >= 0 else ("", None)

    def _make(self, seen: FlowSeen, rule: tuple[str, str | None], since_ns: int, taken: bool = False) -> Connection:
        client, server, peer = enrich(seen.tuple, seen.side, self._mapping)
        flow = Flow(
            id=uuid.uuid4(),
            cookie=seen.cookie,
            side=seen.side,
            client=client,
            server=server,
            peer=peer,
            rule=rule[0],
            mode=seen.mode,
            deadline_ns=since_ns + self._handshake_ns,
            passthrough=seen.passthrough,
        )
        providers = self._tools.keys.providers_of(flow, rule[1], since_ns)
        return Connection(self._tools, seen, flow, providers, taken=taken)


def _said(connection: Connection) -> dict[str, Any]:
    flow, (client, server) = connection.flow, connection.ends
    return {
        "flow": flow.id,
        "side": flow.side,
        "client": client,
        "server": server,
        "rule": flow.rule,
        "mode": flow.mode,
        "peer": flow.peer.name if flow.peer else "",
    }
