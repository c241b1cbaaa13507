# SPDX-License-Identifier: Apache-2.0
"""The dialling end of a session, and what must hold of it whatever the listening end answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from uuid import UUID

from tests.fuzz.sessions.asked import PROVIDER, certificate
from tests.fuzz.sessions.wire import Plain, arriving
from tests.fuzz.targets.frames import TUPLE, by_the_book
from tlshub_core.peering.channel import Channel
from tlshub_core.peering.frames import Foreign, Frame, Leave, Left, Ready, Refuse, Secure, Welcome
from tlshub_core.peering.session import Session
from tlshub_core.peering.settings import Settings
from tlshub_core.testing import pair as pairs
from tlshub_core.types.errors import Reason, Refused, Unavailable

SECURED, LEFT = (UUID(int=7), UUID(int=8)), UUID(int=9)
Outcome = Ready | None | Refused | Unavailable


async def asking(stream: bytes, step: int) -> Iterable[str]:
    """What became of three flows that were asked for, and answered with that stream."""
    with arriving(stream, step) as (streams, wire):
        channel = Channel(Plain(certificate()), *streams)
        session = Session(channel, pairs.SERVER_NODE.name, TUPLE.server, Settings())
        asks = [_secure(session, flow) for flow in SECURED] + [_leave(session)]
        ended, *outcomes = await asyncio.gather(session.run(), *asks)
    assert ended.reason is not Reason.PROVIDER_BUG and wire.is_closing(), ended
    answers, _ = by_the_book(stream)
    flows = (*SECURED, LEFT)
    return {_judged(flow, outcome, answers) for flow, outcome in zip(flows, outcomes, strict=True)}


async def _secure(session: Session, flow: UUID) -> Outcome:
    try:
        return await session.ask(Secure(flow=flow, tuple4=TUPLE, provider=PROVIDER, nonce=bytes(32), ciphers=(51,)))
    except (Refused, Unavailable) as error:
        return error


async def _leave(session: Session) -> Outcome:
    try:
        return await session.leave(Leave(flow=LEFT, tuple4=TUPLE))
    except (Refused, Unavailable) as error:
        return error


def _judged(flow: UUID, outcome: Outcome, answers: list[Frame]) -> str:
    """A promise, and a refusal that lets a flow go in clear, only from the first answer to that flow."""
    first = next((one for one in answers if not isinstance(one, Welcome) and one.flow == flow), None)
    if isinstance(outcome, Unavailable):
        return "foreign" if isinstance(first, Foreign) and "version" in str(outcome) else "unavailable"
    if isinstance(outcome, Refused):
        assert outcome.by_peer and isinstance(first, Refuse) and outcome.reason is first.reason, outcome
        return "refused"
    wanted = Left if flow == LEFT else Ready
    assert isinstance(first, wanted) and outcome in (first, None), f"{outcome}, though {first} was the first answer"
    return wanted.__name__.lower()
