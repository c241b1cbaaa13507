# SPDX-License-Identifier: Apache-2.0
"""What is known of one peer's agent: its session, the dial under way, the failures before."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass, field

from tlshub_core.peering.session import Session
from tlshub_core.types.errors import Reason, Refused, Unavailable
from tlshub_core.types.flow import Address

LATELY_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a dial failed; many flows wait for one dial, each raises an error of its own."""

    reason: Reason
    message: str
    refused: bool

    def error(self) -> Refused | Unavailable:
        """A new exception."""
        return (Refused if self.refused else Unavailable)(self.message, self.reason)


@dataclass(slots=True, eq=False)
class Peer:
    """An address that was dialled; `retry_at` and `seen` are time.monotonic(), `readers` those of retired sessions too.

    `seen` is when a session to it ended last.
    """

    address: Address
    session: Session | None = None
    dial: asyncio.Task[Session | Failure] | None = None
    failure: Failure | None = None
    failures: int = 0
    retry_at: float = 0.0
    seen: float = -math.inf
    readers: set[asyncio.Task[None]] = field(default_factory=set)

    def lately(self) -> bool:
        """Whether its agent was there until a moment ago: one that is restarted is back soon."""
        return time.monotonic() < self.seen + LATELY_S

    def again_at(self, until: float) -> float | None:
        """When to dial once more for one who can wait until then; None where that is too late, or not worth waiting."""
        at = max(self.retry_at, time.monotonic())
        return at if self.lately() and at < until else None

    def idle(self) -> bool:
        """Whether it can be forgotten."""
        return not self.readers and self.dial is None and self.retry_at <= time.monotonic()


async def dialled(dial: asyncio.Task[Session | Failure]) -> Session:
    """The outcome of a dial, which goes on where the caller ends; raises Refused and Unavailable."""
    await asyncio.wait((dial,))
    if dial.cancelled():
        # Only `close` cancels a dial; its waiters must see a failure, not a cancellation of their own.
        raise Unavailable("the agent is stopping", Reason.SHUTDOWN)
    result = dial.result()
    if isinstance(result, Session):
        return result
    raise result.error()
