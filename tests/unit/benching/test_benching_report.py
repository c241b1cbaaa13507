# SPDX-License-Identifier: Apache-2.0
"""The HTML report: one file, well-formed, with all figures, and nothing in it that somebody else chose is markup."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.benching.sample import CONCURRENCY, COSTS, ENVIRONMENT, SIZES, result
from tlshub_core.benching import table
from tlshub_core.benching.charts import TALL, WIDE, Lines, lines
from tlshub_core.benching.intervals import Interval
from tlshub_core.benching.marks import scale, tag
from tlshub_core.benching.report import html

EVIL = "</title></style><script>alert(1)</script>&amp;\"'"
VOID = {"meta"}


class Reader(HTMLParser):
    """What elements there are, and that each is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.links: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.links += [key for key, _ in attrs if key in ("src", "href", "srcset") or key.startswith("on")]
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag


def test_it_needs_nothing_else_and_has_every_chart_and_figure() -> None:
    text = html(result())
    found = Reader(text)
    assert not found.links and not {"script", "link", "img", "iframe"} & {*found.names}
    assert "url(" not in text and "@import" not in text and "http:" not in text and "https:" not in text
    charts = len(CONCURRENCY) * 3 + len(SIZES) + len(SIZES) * len(CONCURRENCY)
    legends = 5 * len(COSTS)
    assert found.names.count("svg") == charts + legends
    for cell in {cell for cells in table.cells(result()) for cell in cells}:
        assert f"<td>{cell}</td>" in text
    assert "nan" not in text and "Emulated" not in text


def test_it_says_what_is_emulated_and_what_is_not_measured() -> None:
    text = html(replace(result(), environment=replace(ENVIRONMENT, emulated=True)))
    assert "Emulated: ratios mean something, times and rates do not." in text
    assert "not measured: &#x27;ktls:x&#x27;: no agent" in text


def test_words_of_others_are_words() -> None:
    where = replace(ENVIRONMENT, processor=EVIL, agent=EVIL, kernel=EVIL)
    found = Reader(html(replace(result(), environment=where, skipped={EVIL: EVIL})))
    assert "script" not in found.names


def test_one_variant_one_size_one_connection() -> None:
    one = result({"plain": 1.0}, rounds=1)
    rows = tuple(row for row in one.rows if (row.size, row.concurrency) == (64, 1))
    trials = tuple(trial for trial in one.trials if (trial.size, trial.concurrency) == (64, 1))
    assert Reader(html(replace(one, rows=rows, trials=trials))).names.count("svg") == 6


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), max_size=20))
def test_attributes_are_what_they_were(value: str) -> None:
    seen: list[str | None] = []

    class One(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            seen.extend(value for _, value in attrs)

    One().feed(tag("svg", aria_label=value))
    assert [one or "" for one in seen] == [value]


@given(st.lists(st.floats(1e-3, 1e12), min_size=1, max_size=9), st.sampled_from([TALL, WIDE]))
@example([1.0, 1.5], TALL)  # the finest round values are too near to each other, and of the next there is one
@example([1.0, 1.5], WIDE)
def test_every_value_has_its_place_and_the_ticks_can_be_read(values: list[float], apart: float) -> None:
    found = scale(values, 310, 10)
    places = [found.place(value) for value in sorted(values)]
    assert places == sorted(places, reverse=True) and all(10 <= place <= 310 for place in places)
    ticks = found.ticks(apart)
    assert all(found.low <= tick <= found.high for tick in ticks) and ticks == sorted({*ticks})
    assert len(ticks) > 1
    assert all(found.place(one) - found.place(two) >= apart * 0.999 for one, two in pairwise(ticks))


def test_a_value_that_lacks_is_left_out_and_half_and_double_are_as_far() -> None:
    found = scale([1, 4], 0, 100)
    assert found.place(2) - found.place(1) == pytest.approx(found.place(4) - found.place(2))
    one = Interval(median=2, low=1, high=4, confidence=0.95)
    text = lines(Lines(title="t", labels=["a", "b"], series={(0, "x"): [None, one]}, written=str))
    assert len(re.findall("<title>", text)) == 1 and "x, b: 2 [1, 4]" in text
