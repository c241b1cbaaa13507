# SPDX-License-Identifier: Apache-2.0
"""What is different for a connection that an agent before this one began: its keys died with that agent.

Whatever was said to the peer then is a promise still: it may only become KTLS, with keys agreed on anew, or be refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from socket import MSG_DONTWAIT

from tlshub_core.pipeline import release
from tlshub_core.pipeline.asked import Asked
from tlshub_core.pipeline.ending import Ending
from tlshub_core.pipeline.keys import Keys
from tlshub_core.types.capture import State
from tlshub_core.types.errors import Reason, Refused, Unavailable
from tlshub_core.types.flow import Flow, Mode, Side

LOST = "its keys died with an agent before this one"


async def agree(keys: Keys, flow: Flow, providers: Sequence[str]) -> Asked:
    """Once more, for one that is ASKED; a refusal by the peer counts as none: its end may have keys of before.

    The accepting end waits as under 'require': only the peer's agent knows whether it has to ask again.
    """
    try:
        if flow.side is Side.CLIENT:
            return await keys.prepare_again(flow, providers[0])
        return await keys.prepare(replace(flow, mode=Mode.REQUIRE), providers)
    except Refused as error:
        raise Refused(f"{LOST}: {error}", error.reason) from error


def late() -> Unavailable:
    """Nobody agreed on new ones in time."""
    return Unavailable(f"{LOST}, and none were agreed on anew within the deadline", Reason.KEYS_LOST)


def finish(ending: Ending) -> None:
    """One that died while it installed keys had installed both, or is refused; raises Unavailable.

    An empty send passes the gate where the socket is KTLS both ways, and makes the gate say so: OPEN. It sends nothing.
    """
    ending.look()
    if ending.socket is not None:
        with suppress(OSError):
            ending.socket.send(b"", MSG_DONTWAIT)
    if ending.state() is not State.OPEN:
        raise Unavailable(f"{LOST} in the middle of the install", Reason.KEYS_LOST)
    ending.outcome = State.OPEN
    if ending.socket is not None:
        release.wake(ending.socket)
