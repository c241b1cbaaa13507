# SPDX-License-Identifier: Apache-2.0
"""FETCH and START as both ends of a connection need them: with what is remembered of the master key that was found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from tlshub_capture_tlshub import secrets
from tlshub_capture_tlshub.client import Client
from tlshub_capture_tlshub.memory import Memory, Standing
from tlshub_capture_tlshub.pending import MasterPending
from tlshub_capture_tlshub.wire import NOWHERE, Opcode, Request, Status
from tlshub_core.api import AgentContext, Flow, Reason, Side, Unavailable

PAUSE_S, LONGEST_PAUSE_S = 0.005, 0.16


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Found:
    """A master key, extracted, and what is known of it."""

    root: bytearray = field(repr=False)
    mark: bytes
    standing: Standing


class Masters:
    """The master keys of this node's connections; all methods raise what the client's do."""

    def __init__(self, agent: AgentContext, client: Client) -> None:
        self._agent, self._client, self.memory = agent, client, Memory()

    async def find(self, flow: Flow) -> Found | Status:
        """What the module has for that flow now."""
        fetched = await self._client.fetch(self._request(Opcode.FETCH, flow))
        if fetched.status is not Status.OK:
            return fetched.status
        root = secrets.extract(fetched.master)
        mark = secrets.mark(root)
        return Found(root=root, mark=mark, standing=self.memory.standing(flow.tuple, mark))

    async def start(self, flow: Flow) -> None:
        """A handshake for that flow."""
        await self._client.start(self._request(Opcode.START, flow))

    def take(self, flow: Flow, found: Found) -> MasterPending:
        """Have that master key serve the flow; the node's first cipher, since nothing is negotiated."""
        self.memory.adopt(flow.tuple, found.mark)
        return MasterPending(found.root, flow.tuple, self._agent.ciphers[0], self.memory)

    def _request(self, opcode: Opcode, flow: Flow) -> Request:
        server = flow.side is Side.SERVER
        return Request.about(opcode, flow.tuple, server=server, node=self._node(flow))

    def _node(self, flow: Flow) -> IPv4Address:
        """The address of the server's node, from the mapping."""
        pod = flow.server.pod or self._agent.pod(flow.server.address)
        address = pod.node.address if pod else None
        return address if isinstance(address, IPv4Address) else NOWHERE


def pauses() -> Iterator[float]:
    """How long to wait between FETCHes, in seconds: the module tells nobody when a handshake is done."""
    pause = PAUSE_S
    while True:
        yield pause
        pause = min(2 * pause, LONGEST_PAUSE_S)


def dead(what: str) -> Unavailable:
    """The error for a master key that may not be used."""
    message = f"TLSHub's module {what}, of which this agent cannot tell what was derived from it: wait until it expires"
    return Unavailable(message, Reason.REPLAYED)
