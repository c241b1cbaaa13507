# SPDX-License-Identifier: Apache-2.0
"""The connecting end: FETCH, and where that gives no master key for this connection START, then FETCH.

START tells the peer's module, so the flow is ASKED by then. It is so before the first FETCH already where the peer may
have a key for this tuple from before: else this end could go in clear, and the other one would find that key.
"""

from __future__ import annotations

import asyncio
import time
from weakref import WeakValueDictionary

from tlshub_capture_tlshub.client import Absent
from tlshub_capture_tlshub.masters import Found, Masters, dead, pauses
from tlshub_capture_tlshub.memory import Standing
from tlshub_capture_tlshub.pending import MasterPending
from tlshub_capture_tlshub.wire import Status
from tlshub_core.api import AgentContext, Flow, Mode, Reason, Refused, Tuple4, Unavailable, wipe

STARTS = 3  # for one connection, where each master key has expired before it was fetched


class Connecting:
    """One flow of a tuple at a time: a START changes the master key that another one has just fetched."""

    def __init__(self, agent: AgentContext, masters: Masters, node_pause_s: float) -> None:
        self._agent, self._masters, self._pause_s = agent, masters, node_pause_s
        self._turns: WeakValueDictionary[Tuple4, asyncio.Lock] = WeakValueDictionary()
        self._failed: dict[str, float] = {}  # node -> until when it is not asked under 'prefer'

    async def prepare(self, flow: Flow) -> MasterPending:
        """Returns with keys in hand; raises Refused, Unavailable."""
        turn = self._turns.setdefault(flow.tuple, asyncio.Lock())
        async with turn:
            if not self._masters.memory.knows(flow.tuple):
                await self._meet(flow)
            elif found := await self._at_hand(flow):
                return self._masters.take(flow, found)
            return await self._started(flow)

    async def _meet(self, flow: Flow) -> None:
        """A tuple that is not known: an earlier agent may have used the master key that is there, if one is."""
        try:
            found = await self._masters.find(flow)
        except Absent:
            raise
        except Unavailable:
            await self._agent.ask(flow)  # whether the peer has a key for this tuple nobody knows now
            raise
        if isinstance(found, Found):
            wipe(found.root)
            await self._agent.ask(flow)
            self._masters.memory.distrust(flow.tuple, found.mark)
        else:
            self._check_worth(flow)
            await self._agent.ask(flow)
            self._masters.memory.keyless(flow.tuple)

    async def _at_hand(self, flow: Flow) -> Found | None:
        """A master key that nothing was derived from yet, if there is one."""
        await self._agent.ask(flow)
        found = await self._masters.find(flow)
        if not isinstance(found, Found):
            return None
        if found.standing in (Standing.NEW, Standing.UNUSED):
            return found
        wipe(found.root)
        return None

    def _check_worth(self, flow: Flow) -> None:
        """Once a handshake is begun the flow may not go in clear: under 'prefer' it is begun where it may succeed."""
        if flow.mode is not Mode.PREFER:
            return
        if flow.peer is None:
            message = f"the mapping does not know '{flow.remote.address}': mode 'prefer' starts no handshake with it"
            raise Refused(message, Reason.PEER_UNKNOWN)
        if time.monotonic() < self._failed.get(flow.peer.name, 0):
            message = f"a handshake with node '{flow.peer.name}' failed less than {self._pause_s:g} s ago"
            raise Unavailable(message, Reason.PEER_UNREACHABLE)

    async def _started(self, flow: Flow) -> MasterPending:
        for _ in range(STARTS):
            await self._start(flow)
            found = await self._outcome(flow)
            if isinstance(found, Found):
                return self._fit(flow, found)
        raise Unavailable(f"TLSHub's master key had expired {STARTS} times before it was fetched")

    async def _start(self, flow: Flow) -> None:
        try:
            await self._masters.start(flow)
        except Unavailable:
            if flow.peer is not None:
                self._failed[flow.peer.name] = time.monotonic() + self._pause_s
            raise
        if flow.peer is not None:
            self._failed.pop(flow.peer.name, None)

    async def _outcome(self, flow: Flow) -> Found | Status:
        """What the handshake gave, waiting for it until the flow's deadline, at which the core cancels."""
        waits = pauses()
        found = await self._masters.find(flow)
        while found is Status.NOT_DONE:
            await asyncio.sleep(next(waits))
            found = await self._masters.find(flow)
        return found

    def _fit(self, flow: Flow, found: Found) -> MasterPending:
        """Where the module kept its master key (USED), the sequence numbers make the keys others, and are checked."""
        if found.standing is not Standing.DEAD:
            return self._masters.take(flow, found)
        wipe(found.root)
        raise dead("kept a master key")
