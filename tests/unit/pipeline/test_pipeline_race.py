# SPDX-License-Identifier: Apache-2.0
"""Several providers for one accepted connection: one serves it, and nothing that the others agree on is left."""

from __future__ import annotations

import asyncio

import pytest

from tests.unit.pipeline.contender import Contender, all_asked, entered
from tlshub_core.types.errors import Reason, Refused, TlshubError, Unavailable, Unsupported
from tlshub_core.types.flow import Mode

NOBODY = "nobody asked"
BY_PEER = "the peer refused"


async def nothing_left() -> bool:
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return len(asyncio.all_tasks()) == 1


MODES = pytest.mark.parametrize("mode", [Mode.PREFER, Mode.REQUIRE])


@MODES
async def test_the_first_one_that_has_the_answer_is_the_only_one_asked(mode: Mode) -> None:
    one, two = Contender("one"), Contender("two")
    race = entered(mode, one, two)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    one.agrees()
    assert (await race).provider == "one"
    assert two.modes == []
    assert one.pendings[0].discarded == 0
    assert await nothing_left()


@MODES
async def test_another_one_that_agrees_sooner_serves(mode: Mode) -> None:
    one, two, three = Contender("one"), Contender("two"), Contender("three")
    race = entered(mode, one, two, three)
    await all_asked(one, two, three)
    two.agrees()
    asked = await race
    assert (asked.provider, asked.pending) == ("two", two.pendings[0])
    assert two.pendings[0].discarded == 0
    assert await nothing_left()
    assert (one.cancelled, two.cancelled, three.cancelled) == (1, 0, 1)


@MODES
async def test_of_two_at_once_the_likely_one_serves_and_the_other_is_discarded(mode: Mode) -> None:
    one, two = Contender("one"), Contender("two")
    race = entered(mode, one, two)
    await all_asked(one, two)
    two.agrees()
    one.agrees()
    assert (await race).provider == "one"
    assert await nothing_left()
    assert [pending.discarded for pending in (*one.pendings, *two.pendings)] == [0, 1]


@MODES
async def test_what_a_loser_agrees_on_later_is_discarded(mode: Mode) -> None:
    one, two = Contender("one", stubborn=True), Contender("two")
    race = entered(mode, one, two)
    await all_asked(one, two)
    two.agrees()
    assert (await race).provider == "two"
    assert await nothing_left()
    assert [pending.discarded for pending in one.pendings] == [1]


@MODES
async def test_a_failure_of_the_first_leaves_it_to_the_others(mode: Mode) -> None:
    one, two = Contender("one"), Contender("two")
    race = entered(mode, one, two)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    one.fails(Unsupported("never"))
    await all_asked(two)
    assert not race.done()
    two.agrees()
    assert (await race).provider == "two"
    assert one.modes == [mode], "it said never, so it is not asked again"
    assert await nothing_left()


@MODES
async def test_a_race_that_is_ended_leaves_nothing(mode: Mode) -> None:
    one, two = Contender("one"), Contender("two")
    race = entered(mode, one, two)
    await all_asked(one, two)
    two.agrees()
    race.cancel()
    with pytest.raises(asyncio.CancelledError):
        await race
    assert await nothing_left()
    assert (one.cancelled, [pending.discarded for pending in two.pendings]) == (1, [1])


async def test_who_gave_up_waits_on_while_others_wait_and_may_still_serve() -> None:
    one, two = Contender("one"), Contender("two")
    race = entered(Mode.PREFER, one, two)
    await all_asked(one, two)
    one.fails(Unavailable(NOBODY, Reason.PEER_UNREACHABLE))
    while len(one.modes) < 2:  # noqa: ASYNC110 - a record, with no event
        await asyncio.sleep(0)
    assert one.modes == [Mode.PREFER, Mode.REQUIRE]
    one.agrees()
    assert (await race).provider == "one"
    assert await nothing_left()
    assert two.cancelled == 1


async def test_the_race_is_over_when_all_gave_up_once() -> None:
    one, two = Contender("one"), Contender("two")
    race = entered(Mode.PREFER, one, two)
    await all_asked(one, two)
    for contender in (two, one):
        contender.fails(Unavailable(f"{NOBODY} {contender.name}", Reason.PEER_UNREACHABLE))
    with pytest.raises(Unavailable) as caught:
        await race
    assert str(caught.value) == f"{NOBODY} one; {NOBODY} two"
    assert caught.value.reason is Reason.PEER_UNREACHABLE
    assert await nothing_left()


ERRORS: list[tuple[list[TlshubError], type[TlshubError], bool, str]] = [
    ([Unavailable(NOBODY), Unavailable(NOBODY)], Unavailable, False, NOBODY),
    ([Refused(BY_PEER, Reason.NO_RULE, by_peer=True), Unavailable("lost")], Unavailable, False, f"lost; {BY_PEER}"),
    ([Unsupported("never"), Refused(BY_PEER, Reason.NO_RULE, by_peer=True)], Unavailable, False, f"never; {BY_PEER}"),
    ([Refused(BY_PEER, Reason.NO_RULE, by_peer=True)] * 2, Refused, True, BY_PEER),
    ([Refused(what, Reason.NO_RULE, by_peer=True) for what in ("no", "never")], Refused, True, "no; never"),
]


@MODES
@pytest.mark.parametrize(("errors", "kind", "by_peer", "message"), ERRORS)
async def test_a_refusal_by_the_peer_is_one_only_where_all_peers_refused(
    mode: Mode, errors: list[TlshubError], kind: type[TlshubError], by_peer: bool, message: str
) -> None:
    one, two = Contender("one"), Contender("two")
    race = entered(mode, one, two)
    await all_asked(one, two)
    for contender, error in zip((one, two), errors, strict=True):
        contender.fails(error)
    with pytest.raises(kind) as caught:
        await race
    assert (isinstance(caught.value, Refused) and caught.value.by_peer) is by_peer
    assert str(caught.value) == message
    assert await nothing_left()
