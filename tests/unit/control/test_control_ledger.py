# SPDX-License-Identifier: Apache-2.0
"""What is kept of the events: counts, and the sessions that are up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tlshub_core.control.ledger import Ledger
from tlshub_core.testing.every_event import one_of_each
from tlshub_core.types import events
from tlshub_core.types.errors import Reason
from tlshub_core.types.events import Event

KEY = {"node": "b", "address": "10.0.0.2", "dialler": True}


def up(at: int, **key: object) -> events.SessionUp:
    return events.SessionUp(time_ns=at, **{**KEY, **key})


def down(at: int, **key: object) -> events.SessionDown:
    return events.SessionDown(time_ns=at, **{**KEY, **key}, reason=Reason.CLOSED, detail="")


def test_every_event_is_passed_on_and_counted() -> None:
    passed: list[Event] = []
    ledger, sent = Ledger(passed.append), one_of_each()
    for event in sent:
        ledger.emit(event)
    assert passed == sent
    assert all(ledger.count(type(event)) == 1 for event in sent)
    assert ledger.lost == 1


def test_what_was_counted_as_unwatched_is_not_counted_again() -> None:
    ledger = Ledger(lambda _: None)
    ledger.emit(events.Unattended(time_ns=1, released=1, refused=2, since_ns=0))
    for reason in (Reason.EVENT_LOST, Reason.DEADLINE):
        ledger.emit(events.Refused(time_ns=2, reason=reason, detail=""))
    assert (ledger.unattended, ledger.count(events.Refused)) == ((1, 2), 1)


def test_a_session_that_is_renewed_is_the_newer_one() -> None:
    ledger = Ledger(lambda _: None)
    for event in (up(1), up(2), down(3)):
        ledger.emit(event)
    assert [since for _, since in ledger.sessions()] == [2]
    ledger.emit(down(4))
    assert not list(ledger.sessions())


def test_a_dial_that_failed_was_never_up() -> None:
    ledger = Ledger(lambda _: None)
    for event in (up(1), down(2, node=""), down(3, dialler=False)):
        ledger.emit(event)
    assert [(key.node, since) for key, since in ledger.sessions()] == [("b", 1)]


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("ab"), st.booleans()), max_size=60))
def test_there_are_never_more_than_came_up(steps: list[tuple[bool, str, bool]]) -> None:
    ledger, balance = Ledger(lambda _: None), dict[tuple[str, bool], int]()
    for at, (rises, node, dialler) in enumerate(steps):
        ledger.emit((up if rises else down)(at, node=node, dialler=dialler))
        balance[node, dialler] = max(0, balance.get((node, dialler), 0) + (1 if rises else -1))
    found = [(key.node, key.dialler) for key, _ in ledger.sessions()]
    assert {key: found.count(key) for key in found} == {key: count for key, count in balance.items() if count}
