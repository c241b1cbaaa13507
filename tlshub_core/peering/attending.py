# SPDX-License-Identifier: Apache-2.0
"""What becomes of the frames of a session that another node's agent began."""

from __future__ import annotations

import asyncio
from typing import NoReturn

from tlshub_core.peering.answering import Answers
from tlshub_core.peering.channel import Channel
from tlshub_core.peering.frames import VERSION, Foreign, Frame, FrameError, Leave, Left, Ready, Refuse, Secure
from tlshub_core.types.errors import Reason


async def attend(channel: Channel, answers: Answers, turn: asyncio.Lock) -> NoReturn:
    """Answer each frame, in the turn of its node, until the session ends: raises Refused, Unavailable or FrameError."""
    while True:
        for frame in await channel.receive():
            channel.send(await _in_turn(answers, frame, turn))
        await channel.drained()


async def _in_turn(answers: Answers, frame: Frame, turn: asyncio.Lock) -> Ready | Left | Refuse:
    async with turn:
        await asyncio.sleep(0)  # one frame of each node, then others': a flood waits for itself
        return await _answer(answers, frame)


async def _answer(answers: Answers, frame: Frame) -> Ready | Left | Refuse:
    if isinstance(frame, Secure | Leave):
        return await answers.answer(frame)
    if isinstance(frame, Foreign):
        detail = f"version {frame.version} is newer than this agent, which knows version {VERSION}"
        return Refuse(flow=frame.flow, reason=Reason.UNSUPPORTED_VERSION, detail=detail)
    raise FrameError(f"a '{type(frame).__name__.lower()}' frame from the dialling side")
