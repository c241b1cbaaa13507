# SPDX-License-Identifier: Apache-2.0
"""A screen is as large as the terminal, whatever is on it; rates are of one agent; keys do what they say."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from tests.fuzz.targets.answers import FLOW, TOP
from tests.unit.top.answers import answers, words
from tlshub_core.control import requests
from tlshub_core.control.answers import TopAnswer
from tlshub_core.top import columns
from tlshub_core.top.controls import Controls, keys
from tlshub_core.top.head import head
from tlshub_core.top.sample import Rates, Sample, between
from tlshub_core.top.screen import View, screen

RATES = Rates(connections=1, secured=2, released_clear=0, refused=0.5, cpu=0.1, traffic={FLOW.id: 1500.0})
typed = words.filter(str.isprintable)
controls = st.builds(
    Controls, order=st.sampled_from(requests.ORDERS), text=typed, typed=st.none() | typed, paused=st.booleans()
)


def sample(answer: TopAnswer, at: int = 0, **carried: int) -> Sample:
    return Sample(answer=answer, carried=carried, time_ns=at)


def drawn(view: View, width: int, height: int) -> list[str]:
    console = Console(width=width, height=height, color_system=None, force_terminal=False)
    with console.capture() as capture:
        console.print(screen(view, width, height))
    return capture.get().split("\n")[:-1]


@given(answers(), st.none() | st.just(RATES), controls, words, st.integers(20, 200), st.integers(16, 80))
@settings(deadline=None, max_examples=30)
def test_it_fits_and_nothing_in_it_is_an_order(
    answer: TopAnswer, rates: Rates | None, controls: Controls, trouble: str, width: int, height: int
) -> None:
    lines = drawn(View(sample=sample(answer), rates=rates, controls=controls, trouble=trouble), width, height)
    assert len(lines) == height
    assert all(cell_len(line) <= width and line.isprintable() for line in lines), lines
    assert lines[0].startswith("agent  ")


def test_a_bypass_is_said_in_words() -> None:
    assert TOP.status.bypass.on
    assert ("BYPASS", "is on: new connections are NOT encrypted") in head(TOP, None)
    off = replace(TOP, status=replace(TOP.status, bypass=replace(TOP.status.bypass, on=False)))
    assert "BYPASS" not in dict(head(off, None))


def test_rates_are_of_one_agent() -> None:
    later = replace(TOP, uptime_ms=TOP.uptime_ms + 2000, connections=TOP.connections + 30, cpu_ms=TOP.cpu_ms + 500)
    totals = replace(TOP.status.totals, secured=TOP.status.totals.secured + 4, refused=TOP.status.totals.refused + 1)
    later = replace(later, status=replace(TOP.status, totals=totals))
    before, now = sample(TOP, 0, a=100, b=7), sample(later, 2_000_000_000, a=5100, c=9)
    rates = between(before, now)
    assert rates == Rates(connections=15, secured=2, released_clear=0, refused=0.5, cpu=0.25, traffic={"a": 2500.0})
    assert dict(head(later, rates))["per second"] == "15.0 began, 2.0 secured, 0.0 in clear, 0.5 refused"
    assert between(None, now) is None
    assert between(now, before) is None, "it was started anew under the same pid"
    another = replace(later, status=replace(later.status, pid=TOP.status.pid + 1))
    assert between(before, sample(another)) is None


@pytest.mark.parametrize(
    ("ms", "shown"),
    [(0, "-"), (1, "1ms"), (999, "999ms"), (1000, "1s"), (99_999, "99s"), (100_000, "1m"), (5_999_999, "99m"),
     (6_000_000, "1h"), (359_999_999, "99h"), (360_000_000, "4d")],
)  # fmt: skip
def test_durations_are_brief(ms: int, shown: str) -> None:
    assert columns.brief(ms) == shown


@given(st.integers(1, 400))
def test_columns_fit(width: int) -> None:
    found = columns.fitting(width)
    assert sum(column.width + columns.GAP for column in found) <= width + columns.GAP
    ranks = sorted(column.rank for column in found)
    assert ranks == list(range(len(ranks))), "the most telling ones"


def test_there_is_room_for_what_matters_on_80_columns() -> None:
    wanted = ["process", "> to, < from", "state", "provider", "age", "held", "bytes/s"]
    assert [column.name for column in columns.fitting(80)] == wanted
    assert columns.fitting(400) and len(columns.fitting(400)) == len(columns.COLUMNS)
    assert columns.cells(columns.fitting(80), FLOW, RATES)[-1] == "1.5 kB"


@given(st.text(max_size=40), controls)
def test_any_key_leaves_a_question_that_may_be_asked(typed: str, before: Controls) -> None:
    now: Controls | None = replace(before, text="", typed=None if before.typed is None else "")
    for key in keys(typed):
        now = now.pressed(key)
        if now is None:
            break
        requests.Top(limit=1, order=now.order, text=now.text)


@pytest.mark.parametrize(
    ("typed", "found"),
    [("as", ["a", "s"]), ("\x1b[Aq", ["q"]), ("\x1b[1;5Cq", ["q"]), ("\x1bOPq", ["q"]), ("\x1b", ["\x1b"]),
     ("\x1b[", [])],
)  # fmt: skip
def test_keys_that_mean_nothing_are_left_out(typed: str, found: list[str]) -> None:
    assert list(keys(typed)) == found
