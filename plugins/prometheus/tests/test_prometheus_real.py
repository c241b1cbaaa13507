# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus fetches what the sink serves, and answers every query of the dashboard and of the documentation."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from plugins.prometheus.tests.dashboard import QUERIES, Query
from plugins.prometheus.tests.real import SECONDS, Prometheus, QueryFailed, fed, feed, running
from plugins.prometheus.tests.scrapes import everything, families, text
from tests.unit.events.sinks_for_tests import wait_until
from tlshub_core.testing.pair import free_port

LATEST = 'tlshub_capture_events_total{event="Bypass"}'
PAGE = Path(__file__).parents[3] / "docs/metrics.md"
OF_THE_PAGE = re.findall(r"^\|[^|]*\| `(.*)` \|$", PAGE.read_text().partition("## What to look at")[2], re.MULTILINE)


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """One that has fetched often enough for rates, before and after events."""
    binary = shutil.which("prometheus")
    if binary is None:
        pytest.skip("'prometheus' is not installed: apt-get install prometheus")
    port = free_port()
    with fed(port) as sinks, running(binary, tmp_path_factory.mktemp("prometheus"), [f"127.0.0.1:{port}"]) as one:
        wait_until(lambda: one.value(LATEST) == 1, SECONDS)
        feed(sinks)
        wait_until(lambda: one.value(LATEST) == 2, SECONDS)
        yield one


def test_it_is_up(prometheus: Prometheus) -> None:
    (up,) = prometheus.query("up")
    assert up["value"][1] == "1" and up["metric"]["job"] == "tlshub-capture"


def test_every_series_arrived_as_it_was_served(prometheus: Prometheus) -> None:
    (up,) = prometheus.query("up")
    port = int(up["metric"]["instance"].rpartition(":")[2])
    for family in families(text(port)):
        for sample in family.samples:
            arrived = prometheus.query(_selector(sample.name, sample.labels))
            assert len(arrived) == 1, sample
            assert float(arrived[0]["value"][1]) == sample.value or "_agent_process_" in sample.name


def test_counts_are_those_of_the_events(prometheus: Prometheus) -> None:
    assert prometheus.value("sum(tlshub_capture_events_total)") == 2 * len(everything())
    assert prometheus.value('sum(tlshub_capture_connections_decided_total{outcome="secured"})') == 6
    assert prometheus.value('sum(tlshub_capture_payload_bytes_total{outcome="released",direction="sent"})') == 6000
    assert prometheus.value("sum(tlshub_capture_hold_seconds_count)") == 6
    assert prometheus.value('sum(increase(tlshub_capture_events_total{event="Bypass"}[1m]))') > 0


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: f"{query.panel}-{query.legend}")
def test_every_query_of_the_dashboard_has_an_answer(prometheus: Prometheus, query: Query) -> None:
    answer = prometheus.query(query.expression)
    assert answer, f"nothing at all: {query.expression}"
    for series in answer:
        missing = set(query.labels) - set(series["metric"])
        assert not missing, f"'{query.panel}' names its lines by {sorted(missing)}, which its query does not have"
        assert series["value"][1] != "NaN"


def test_names_are_by_the_conventions_of_prometheus(prometheus: Prometheus) -> None:
    promtool = shutil.which("promtool")
    assert promtool is not None, "it comes with 'prometheus'"
    (up,) = prometheus.query("up")
    served = text(int(up["metric"]["instance"].rpartition(":")[2]))
    done = subprocess.run([promtool, "check", "metrics"], input=served, capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    wrong = served.replace("tlshub_capture_reloads_total", "tlshub_capture_reloads")
    assert subprocess.run([promtool, "check", "metrics"], input=wrong, capture_output=True, text=True).returncode


def test_a_query_that_is_wrong_fails(prometheus: Prometheus) -> None:
    with pytest.raises(QueryFailed, match="parse error"):
        prometheus.query("sum(rate(tlshub_capture_events_total[1m])")


@pytest.mark.parametrize("expression", OF_THE_PAGE)
def test_every_query_of_the_documentation_has_an_answer(prometheus: Prometheus, expression: str) -> None:
    assert prometheus.query(expression)


def _selector(name: str, labels: dict[str, str]) -> str:
    matchers = ",".join(f'{label}="{value}"' for label, value in labels.items())
    return f"{name}{{{matchers}}}"
