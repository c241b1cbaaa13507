# SPDX-License-Identifier: Apache-2.0
"""Several providers wait for one accepted connection: the first that has agreed with the peer serves it.

Only the connecting end knows which provider it asked by, and no provider can tell another that it need not wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import replace

from tlshub_core.pipeline.asked import Asked
from tlshub_core.types.errors import Reason, Refused, TlshubError, Unavailable, Unsupported
from tlshub_core.types.flow import Flow, Mode

EAGER_S = 0.005  # how long the first one waits alone: it nearly always has the answer, and others ask in vain
Prepare = Callable[[Flow], Coroutine[None, None, Asked]]


class Race:
    """`contenders` are asked in that order where several are ready; each raises nothing but TlshubError."""

    def __init__(self, flow: Flow, contenders: Sequence[Prepare]) -> None:
        self._flow, self._contenders = flow, contenders
        self._tasks: dict[asyncio.Task[Asked], int] = {}
        self._failures: dict[int, TlshubError] = {}

    async def run(self) -> Asked:
        """The first one's; what others agree on is discarded. Raises, where all failed, what they said together."""
        won = None
        try:
            won = await self._won()
        finally:
            for task in self._tasks:
                if task is not won:
                    task.add_done_callback(_forget)
                    task.cancel()
        return won.result()

    async def _won(self) -> asyncio.Task[Asked]:
        self._enter(0, self._flow)
        await asyncio.wait(self._tasks, timeout=EAGER_S)
        if winner := self._winner():
            return winner
        for number in range(1, len(self._contenders)):
            self._enter(number, self._flow)
        while len(self._failures) < len(self._contenders):
            waiting = [task for task in self._tasks if not task.done()]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if winner := self._winner():
                return winner
        raise together(self._failures[number] for number in sorted(self._failures))

    def _enter(self, number: int, flow: Flow) -> None:
        self._tasks[asyncio.create_task(self._contenders[number](flow))] = number

    def _winner(self) -> asyncio.Task[Asked] | None:
        """One that has agreed; of those that failed for the first time, it is noted."""
        done = sorted((task for task in self._tasks if task.done()), key=lambda task: self._tasks[task])
        for task in done:
            if not task.cancelled() and task.exception() is None:
                return task
        for task in done:
            if self._tasks[task] not in self._failures:
                self._failed(self._tasks[task], task)
        return None

    def _failed(self, number: int, task: asyncio.Task[Asked]) -> None:
        """Under 'prefer' it gave up waiting: while others wait it goes on, as under 'require', where nobody gives up.

        Its peer may still ask, and would be promised what nobody waits for any more.
        """
        error = Unavailable("it was cancelled", Reason.PROVIDER_BUG) if task.cancelled() else task.exception()
        assert isinstance(error, TlshubError)
        self._failures[number] = error
        if self._flow.mode is Mode.PREFER and isinstance(error, Unavailable):
            self._enter(number, replace(self._flow, mode=Mode.REQUIRE))


def together(errors: Iterable[TlshubError]) -> TlshubError:
    """One error that says what all say, with the reason of the first; by the peer only where all are.

    That alone would let a flow go in clear that was asked for, and the peer of another provider may have keys for it.
    """
    ordered = sorted(errors, key=lambda error: isinstance(error, Refused) and error.by_peer)
    first, said = ordered[0], dict.fromkeys(map(str, ordered))
    if len(said) == 1:
        return first
    reason = getattr(first, "reason", Reason.UNSUPPORTED if isinstance(first, Unsupported) else Reason.PROVIDER_FAILED)
    if isinstance(first, Refused) and first.by_peer:
        return Refused("; ".join(said), reason, by_peer=True)
    return Unavailable("; ".join(said), reason)


def _forget(task: asyncio.Task[Asked]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().discard()
