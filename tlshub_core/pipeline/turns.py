# SPDX-License-Identifier: Apache-2.0
"""Whose turn it is in a crowd: a few steps in each round of the event loop, and first those that somebody waits for.

Steps that follow each other without a pause would keep the loop from the ring buffer and from the peers for as long as
the crowd is large. The number of connections between their first step and their last is not bounded: a SYN that is held
is repeated ever later, so one that goes late goes with the whole crowd, and places would stand empty until then.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import replace

from tlshub_core.types.flow import Flow, Mode, Side

AT_ONCE = 16


async def turn_of(flow: Flow, turns: Turns, *, syn_held: bool) -> Flow:
    """Wait for the turn of a flow that begins; the flow, with its deadline: that time is none of the peer's.

    Where it is only preferred, and the SYN has gone, it counts: the other end is there, most likely under the same
    rule, and goes in clear at the same deadline.
    """
    began, server = time.monotonic_ns(), flow.side is Side.SERVER
    counts = flow.mode is Mode.PREFER and not (server or syn_held)
    if not await turns.take(urgent=server) or counts:
        return flow
    return replace(flow, deadline_ns=flow.deadline_ns + time.monotonic_ns() - began)


class Turns:
    """Costs next to nothing where there is no crowd: then nobody waits."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._at_once = self._left = at_once
        self._urgent, self._others = deque[asyncio.Future[None]](), deque[asyncio.Future[None]]()
        self._awaited = False

    async def take(self, *, urgent: bool) -> bool:
        """Wait for a turn, in order, and say whether that was needed; `urgent` is what threads may wait for, busily."""
        if self._left and not self._urgent and not self._others:
            self._left -= 1
            self._await_round()
            return False
        turn = asyncio.get_running_loop().create_future()
        (self._urgent if urgent else self._others).append(turn)
        self._await_round()
        await turn
        return True

    def _await_round(self) -> None:
        if not self._awaited:
            self._awaited = True
            asyncio.get_running_loop().call_soon(self._round)

    def _round(self) -> None:
        """One of the others comes first: however many are urgent, these come on."""
        self._awaited, self._left = False, self._at_once
        self._give(self._others, self._left - 1)
        self._give(self._urgent, 0)
        self._give(self._others, 0)
        if self._urgent or self._others:
            self._await_round()

    def _give(self, waiting: deque[asyncio.Future[None]], keep: int) -> None:
        while waiting and self._left > keep:
            turn = waiting.popleft()
            if not turn.done():  # its connection may have ended meanwhile
                turn.set_result(None)
                self._left -= 1
