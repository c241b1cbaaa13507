# SPDX-License-Identifier: Apache-2.0
"""Whose turn it is: nobody waits where there is no crowd, and in one the urgent come first and the others do come."""

from __future__ import annotations

import asyncio

from tlshub_core.pipeline.turns import Turns

AT_ONCE = 4


class Crowd:
    """Notes who had a turn in which round of the loop."""

    def __init__(self) -> None:
        self.turns, self.had, self.round = Turns(AT_ONCE), list[tuple[int, bool, int]](), 0

    async def come(self, number: int, *, urgent: bool) -> None:
        await self.turns.take(urgent=urgent)
        self.had.append((number, urgent, self.round))

    async def all(self, *urgencies: bool) -> None:
        tasks = [asyncio.create_task(self.come(number, urgent=urgent)) for number, urgent in enumerate(urgencies)]
        while not all(task.done() for task in tasks):
            await asyncio.sleep(0)
            self.round += 1

    def rounds(self) -> list[int]:
        return [sum(at == number for *_, at in self.had) for number in range(self.round)]


async def test_alone_nobody_waits() -> None:
    turns = Turns(AT_ONCE)
    for _ in range(3 * AT_ONCE):
        assert not await turns.take(urgent=False)
        await asyncio.sleep(0)


async def test_who_had_to_wait_is_told_so() -> None:
    turns = Turns(1)
    assert not await turns.take(urgent=False)
    assert await turns.take(urgent=False) and await turns.take(urgent=True)


async def test_a_crowd_comes_a_few_in_a_round_and_in_order() -> None:
    crowd = Crowd()
    await crowd.all(*[False] * 50)
    assert [number for number, *_ in crowd.had] == list(range(50))
    assert max(crowd.rounds()) == AT_ONCE, crowd.rounds()


async def test_the_urgent_come_first_and_one_of_the_others_all_the_same() -> None:
    crowd = Crowd()
    await crowd.all(*[False] * 30, *[True] * 30)
    urgent = [number for number, urgent, _ in crowd.had[AT_ONCE:] if urgent]
    assert urgent == list(range(30, 60)) and crowd.had[-1][0] == 29
    before = crowd.had[AT_ONCE : 1 + next(at for at, one in enumerate(crowd.had) if one[0] == 59)]
    others = sum(not urgent for _, urgent, _ in before)
    assert 30 // AT_ONCE <= others <= 2 + 30 // (AT_ONCE - 1), "at most one in a round, and one in each"


async def test_one_that_ended_while_it_waited_takes_no_turn_from_others() -> None:
    turns = Turns(1)
    await turns.take(urgent=True)
    waiting = [asyncio.create_task(turns.take(urgent=True)) for _ in range(5)]
    await asyncio.sleep(0)
    for task in waiting[:4]:
        task.cancel()
    async with asyncio.timeout(5):
        assert await waiting[4]
