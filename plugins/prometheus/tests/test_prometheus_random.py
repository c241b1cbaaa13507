# SPDX-License-Identifier: Apache-2.0
"""Events in any order, any of them missing, of more connections than are remembered: the counts still agree."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest
from tlshub_capture_prometheus.options import Options
from tlshub_capture_prometheus.sink import PrometheusSink

from plugins.prometheus.tests.scrapes import families, series
from tests.unit.events.lives import Life
from tlshub_core.api import Event, Mode, State, events
from tlshub_core.testing.every_event import one_of_each

LIMIT = 3
LIVES = [Life(mode=mode) for mode in Mode for _ in range(2)]
STEPS = ["connecting", "owned", "asked", "ready", "secured", "released", "refused", "closed"]
OF_ONE = st.builds(lambda life, step: getattr(life, step)(), st.sampled_from(LIVES), st.sampled_from(STEPS))
TAKEN = st.builds(lambda life, state: life.taken_over(state), st.sampled_from(LIVES), st.sampled_from(State))
DECISIONS = (events.Secured, events.ReleasedClear, events.Refused)


def served(batch: list[Event]) -> str:
    """What a sink that remembers few connections would serve after these events."""
    sink = PrometheusSink(Options(), limit=LIMIT)
    sink.write(batch)
    return generate_latest(sink.registry).decode()


def total(values: dict[tuple[str, frozenset[tuple[str, str]]], float], name: str) -> float:
    """The sum of all series of that name."""
    return sum(value for (of, _), value in values.items() if of == name)


@given(st.lists(OF_ONE | TAKEN, max_size=60))
def test_counts_agree_whatever_is_missing(batch: list[Event]) -> None:
    values = series(served(batch))
    kinds = Counter(map(type, batch))
    assert total(values, "connections_total") == kinds[events.Connecting]
    assert total(values, "connections_taken_over_total") == kinds[events.TakenOver]
    decided, told = total(values, "connections_decided_total"), sum(kinds[kind] for kind in DECISIONS)
    assert told <= decided <= told + kinds[events.Closed]
    standing = [value for (name, _), value in values.items() if name == "connections_open"]
    assert min(standing) >= 0 and sum(standing) <= LIMIT
    assert total(values, "payload_bytes_total") == 300 * kinds[events.Closed]
    assert total(values, "events_total") == len(batch)


@given(st.lists(OF_ONE | TAKEN, max_size=60))
def test_when_all_have_ended_none_is_open(batch: list[Event]) -> None:
    values = series(served([*batch, *(life.closed() for life in LIVES)]))
    assert total(values, "connections_open") == 0


@given(st.text() | st.text(alphabet='"\\\n{}=,\ud800\x00'))
def test_any_text_is_served_as_what_can_be_read(text: str) -> None:
    shown = served([*one_of_each(text=text), *Life(provider=text).whole()])
    assert len(families(shown)) == len(families(served(one_of_each())))
