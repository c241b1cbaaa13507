# SPDX-License-Identifier: Apache-2.0
"""The dashboard speaks of metrics and labels that there are, of each metric, and of nothing else."""

from __future__ import annotations

import re
from collections import defaultdict
from itertools import combinations

import pytest
from prometheus_client import Metric

from plugins.prometheus.tests.dashboard import BOARD, QUERIES, Query
from plugins.prometheus.tests.scrapes import Scraped, everything, families, text

OF_PROMETHEUS = {"instance", "job"}
NAME = re.compile(r"tlshub_capture_\w+")
MATCHERS = re.compile(r"(tlshub_capture_\w+){([^}]*)}")
GROUPED = re.compile(r"\bby \(([^)]*)\)")


@pytest.fixture
def served(scraped: Scraped) -> list[Metric]:
    """The metrics, each with a series."""
    scraped.write(*everything())
    return families(text(scraped.port))


def labels(served: list[Metric]) -> dict[str, set[str]]:
    """By name of a series, the labels that it has."""
    found: defaultdict[str, set[str]] = defaultdict(lambda: set(OF_PROMETHEUS))
    for metric in served:
        for sample in metric.samples:
            found[sample.name] |= set(sample.labels)
    return found


def test_every_query_names_what_is_served(served: list[Metric]) -> None:
    known = labels(served)
    for query in QUERIES:
        names = NAME.findall(query.expression)
        assert names and set(names) <= set(known), query
        for name, matchers in MATCHERS.findall(query.expression):
            assert set(re.findall(r"(\w+)[=!]~?\"", matchers)) <= known[name], query
        grouped = {label.strip() for inner in GROUPED.findall(query.expression) for label in inner.split(",")}
        assert grouped <= set.intersection(*(known[name] for name in names)), query
        assert not re.search(r"\$\w", query.expression), f"a variable that this test does not know: {query}"


def test_values_of_labels_are_those_that_are_served(served: list[Metric]) -> None:
    for query in QUERIES:
        for name, label, value in _values(query):
            seen = {sample.labels.get(label) for metric in served for sample in metric.samples if sample.name == name}
            assert set(value.split("|")) <= seen, query


def _values(query: Query) -> list[tuple[str, str, str]]:
    pairs = [(name, re.findall(r"(\w+)=~?\"([^\"]*)\"", inner)) for name, inner in MATCHERS.findall(query.expression)]
    return [(name, label, value) for name, found in pairs for label, value in found if label not in OF_PROMETHEUS]


def test_every_metric_has_its_place(served: list[Metric]) -> None:
    shown = " ".join(query.expression for query in QUERIES)
    assert [metric.name for metric in served if not re.search(rf"\b{metric.name}", shown)] == []


def test_every_query_is_of_the_nodes_that_were_chosen() -> None:
    raw = [target["expr"] for panel in BOARD["panels"] for target in panel.get("targets", ())]
    for expression in raw:
        assert len(NAME.findall(expression)) == expression.count('instance=~"$instance"'), expression
    (choice,) = [one for one in BOARD["templating"]["list"] if one["name"] == "instance"]
    assert choice["query"]["query"] == "label_values(tlshub_capture_build_info, instance)"


def test_panels_do_not_overlap_and_have_names_of_their_own() -> None:
    places = [panel["gridPos"] for panel in BOARD["panels"]]
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above, (one, other)
    assert all(place["x"] + place["w"] <= 24 for place in places)
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(places)
