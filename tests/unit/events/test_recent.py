# SPDX-License-Identifier: Apache-2.0
"""What sinks know of connections: one for each, and no more than there may be."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from tlshub_core.api import Recent

LIMIT = 4
ONE, OTHER = UUID(int=1), UUID(int=2)


def test_a_connection_is_the_same_until_it_ends() -> None:
    known = Recent(list[int])
    known.of(ONE).append(1)
    assert known.of(ONE) == [1] and known.of(OTHER) == []
    assert known.end(ONE) == [1]
    assert known.end(ONE) == [] and known.of(ONE) == []


def test_events_without_a_flow_are_about_nothing_in_common() -> None:
    known = Recent(list[int])
    known.of(None).append(1)
    assert known.of(None) == [] and known.end(None) == [] and len(known) == 0


def test_all_end_at_once_the_oldest_first() -> None:
    known = Recent(list[int])
    for flow in (ONE, OTHER, ONE):
        known.of(flow).append(flow.int)
    assert list(known.end_all()) == [[2], [1, 1]]
    assert len(known) == 0


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 7)), max_size=60))
def test_those_that_were_asked_for_last_are_known(steps: list[tuple[bool, int]]) -> None:
    forgotten: list[list[int]] = []
    known = Recent(list[int], limit=LIMIT, forgotten=forgotten.append)
    order: list[int] = []
    gone: list[int] = []
    for ends, number in steps:
        order = [one for one in order if one != number]
        if ends:
            known.end(UUID(int=number))
            continue
        order.append(number)
        known.of(UUID(int=number))[:] = [number]
        gone += order[:-LIMIT]
        order = order[-LIMIT:]
    assert [one for (one,) in forgotten] == gone
    assert [one for (one,) in known.end_all()] == order
