# SPDX-License-Identifier: Apache-2.0
"""The accepting end: FETCH until the master key is there that the connecting end asked for before its SYN left."""

from __future__ import annotations

import asyncio
import time

from tlshub_capture_tlshub.masters import Found, Masters, dead, pauses
from tlshub_capture_tlshub.memory import Standing
from tlshub_capture_tlshub.pending import MasterPending
from tlshub_capture_tlshub.wire import Status
from tlshub_core.api import AgentContext, Flow, Mode, Reason, Unavailable, wipe

RENEWAL_S = 0.5  # how much later than the connecting end's module this one's may have a new master key
STRANGER_S = 1.0  # patience under 'prefer' with a peer that the mapping does not know


class Accepting:
    """Only where this node's module says that there was no handshake may the flow stay NEW, and so go in clear."""

    def __init__(self, agent: AgentContext, masters: Masters) -> None:
        self._agent, self._masters = agent, masters

    async def prepare(self, flow: Flow) -> MasterPending:
        """Returns with keys in hand, cancellable; raises Unavailable, under 'prefer' shortly before the deadline."""
        until = _patience(flow) if flow.mode is Mode.PREFER else float("inf")
        renewed_by, waits = time.monotonic() + RENEWAL_S, pauses()
        while True:
            found, pause = await self._look(flow), next(waits)
            if isinstance(found, Found):
                if _fits(found, renewed_by):
                    return self._masters.take(flow, found)
                wipe(found.root)
            if time.monotonic() + pause > until:
                raise await self._given_up(flow, found)
            await asyncio.sleep(pause)

    async def _look(self, flow: Flow) -> Found | Status:
        try:
            return await self._masters.find(flow)
        except Unavailable:
            await self._agent.ask(flow)  # its other end may have the key: it may not go in clear
            raise

    async def _given_up(self, flow: Flow, found: Found | Status) -> Unavailable:
        if isinstance(found, Found):
            await self._agent.ask(flow)
            return dead("has a master key")
        message = f"TLSHub's module has no master key for the connection from '{flow.remote.address}'"
        return Unavailable(f"{message}: no agent there asked for one", Reason.PEER_UNREACHABLE)


def _fits(found: Found, renewed_by: float) -> bool:
    """One that was used already is about to be replaced, or the module keeps it: then sequence numbers tell."""
    if found.standing is Standing.USED:
        return time.monotonic() > renewed_by
    return found.standing is not Standing.DEAD


def _patience(flow: Flow) -> float:
    """Until when to wait, on CLOCK_MONOTONIC: shortly before the deadline, at which the programs release the flow."""
    now, deadline = time.monotonic(), flow.deadline_ns / 1e9
    last = deadline - min(0.25, (deadline - now) / 10)
    return last if flow.peer is not None else min(last, now + STRANGER_S)
