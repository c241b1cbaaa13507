# SPDX-License-Identifier: Apache-2.0
"""A whole session, without its TLS: all that the other end's agent may say, cut anywhere, to either end.

The first byte says which end this is, the second how large the pieces are; what follows is what the other end sends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from tests.fuzz.kit.target import Target
from tests.fuzz.sessions.asked import PROVIDER, asked
from tests.fuzz.sessions.asking import LEFT, SECURED, asking
from tests.fuzz.targets.frames import FRAMES, NEWER, TUPLE, TUPLE_6
from tlshub_core.peering import frames
from tlshub_core.peering.frames import Leave, Left, Ready, Refuse, Secure, Sendable
from tlshub_core.types.errors import Reason

_ENDS = (asked, asking)
_WANTED = [
    Secure(flow=flow, tuple4=tuple4, provider=PROVIDER, nonce=bytes(32), ciphers=(51,))
    for flow, tuple4 in zip(SECURED, (TUPLE, TUPLE_6), strict=True)
]
_QUESTIONS: tuple[Sendable, ...] = (*_WANTED, Leave(flow=LEFT, tuple4=TUPLE), _WANTED[0])
_ANSWERS: tuple[Sendable, ...] = (
    Ready(flow=SECURED[0], nonce=bytes(32), cipher=51),
    Refuse(flow=SECURED[1], reason=Reason.NOT_MINE),
    Left(flow=LEFT),
)


def _seeds() -> Iterable[bytes]:
    for end, good in enumerate((_QUESTIONS, _ANSWERS)):
        each = [frames.encode(frame) for frame in (*good, *FRAMES)]
        for stream in (*each, NEWER, b"".join(each[: len(good)]), b"".join(each)):
            yield from (bytes((end, step)) + stream for step in (0, 40, 255))


def _one(data: bytes) -> Iterable[str]:
    return asyncio.run(_ENDS[data[0] % 2](data[2:], data[1] + 1)) if len(data) > 1 else ()


TARGET = Target(
    one=_one,
    seeds=_seeds,
    kinds=frozenset(
        {"answered ready", "answered left", "answered refuse", "ready", "left", "refused", "foreign", "unavailable"}
    ),
    refusals=(),
    modules=(
        "tlshub_core.peering.session",
        "tlshub_core.peering.answering",
        "tlshub_core.peering.attending",
        "tlshub_core.peering.listening",
        "tlshub_core.peering.channel",
    ),
)
