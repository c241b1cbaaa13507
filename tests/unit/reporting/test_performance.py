# SPDX-License-Identifier: Apache-2.0
"""Timelines added up: what each figure is of, by what became of a connection, and what is saved of it."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tlshub_core.control import shape
from tlshub_core.control.answers import ReportAnswer
from tlshub_core.reporting import files
from tlshub_core.reporting.figures import report
from tlshub_core.reporting.performance import LATEST, Performance, latency_of, outcome_of, throughput_of
from tlshub_core.reporting.usage import Usage
from tlshub_core.types.capture import State
from tlshub_core.types.events import Timeline
from tlshub_core.types.flow import Mode, Side

MS = 1_000_000
NAMES = [name for name in Timeline.__slots__ if name.endswith(("_ns", "_sent", "_received"))]
# The fields that programs which read the original's files look for.
SUMMARY = (
    "total_connections successful_connections failed_connections active_connections avg_connection_latency_ms "
    "min_connection_latency_ms max_connection_latency_ms avg_key_negotiation_ms min_key_negotiation_ms "
    "max_key_negotiation_ms avg_throughput_mbps max_throughput_mbps total_bytes_transferred cpu_usage_percent "
    "memory_usage_kb"
)
CONNECTION = "connection_id connection_latency_ms key_negotiation_ms bytes_sent bytes_received throughput_mbps"


def line(**known: Any) -> Timeline:
    """A connection of which only that is known, secured by 'quartz' where nothing else is said."""
    what = {"side": Side.CLIENT, "mode": Mode.REQUIRE, "provider": "quartz", "outcome": State.OPEN}
    absent = dict.fromkeys(NAMES) | {"time_ns": 2000 * MS, "flow": UUID(int=7)}
    return Timeline(**(absent | what | known))


SECURED = line(
    syn_ns=900 * MS, established_ns=950 * MS, released_ns=1000 * MS, negotiation_ns=3 * MS, bytes_sent=125_000
)


def test_latency_ends_when_the_application_is_let_in() -> None:
    assert latency_of(SECURED) == 100 * MS
    accepted = replace(SECURED, side=Side.SERVER, syn_ns=None)
    assert latency_of(accepted) == 50 * MS
    assert latency_of(replace(SECURED, released_ns=None)) is None
    observed = line(mode=Mode.OBSERVE, outcome=State.CLEAR, syn_ns=5, established_ns=9)
    assert (latency_of(observed), latency_of(replace(observed, syn_ns=None))) == (4, None)


def test_throughput_is_of_both_ways_and_of_the_time_after_the_release() -> None:
    assert throughput_of(SECURED) == 1_000_000
    assert throughput_of(replace(SECURED, bytes_received=125_000)) == 2_000_000
    for without in (replace(SECURED, bytes_sent=0), replace(SECURED, time_ns=1000 * MS)):
        assert throughput_of(without) is None
    assert throughput_of(line(bytes_sent=1)) is None, "nobody knows since when"


@pytest.mark.parametrize(
    ("state", "mode", "outcome"),
    [
        (State.OPEN, Mode.PREFER, "secured"),
        (State.CLEAR, Mode.PREFER, "clear"),
        (State.CLEAR, Mode.OBSERVE, "observed"),
        (State.REFUSED, Mode.REQUIRE, "refused"),
        (State.ARMED, Mode.REQUIRE, "closed"),
    ],
)
def test_outcomes(state: State, mode: Mode, outcome: str) -> None:
    assert outcome_of(line(outcome=state, mode=mode)) == outcome


def some() -> Performance:
    performance = Performance()
    for one in (
        SECURED,
        replace(SECURED, released_ns=1100 * MS),
        replace(SECURED, provider="zircon", side=Side.SERVER),
        line(outcome=State.REFUSED, bytes_sent=1),
    ):
        performance.add(one)
    return performance


def answer(performance: Performance, active: int = 0) -> ReportAnswer:
    return report(performance, active, 0)


def test_figures_are_by_outcome_provider_and_side() -> None:
    found = answer(some(), 2)
    kinds = [(row.outcome, row.provider, row.side, row.connections, row.bytes) for row in found.groups]
    assert kinds == [
        ("refused", "quartz", "client", 1, 1),
        ("secured", "quartz", "client", 2, 250_000),
        ("secured", "zircon", "server", 1, 125_000),
    ]
    assert (found.total_connections, found.active_connections) == (6, 2)
    assert (found.successful_connections, found.failed_connections) == (3, 1)
    latency = found.groups[1].metrics["connection_latency_ms"]
    assert (latency.count, latency.min, latency.max, latency.mean) == (2, 100.0, 200.0, 150.0)
    assert (latency.p50, latency.p99) == (pytest.approx(100, rel=0.01), pytest.approx(200, rel=0.01))
    assert found.groups[0].metrics.keys() == set(), "one that was refused has neither latency nor keys"
    assert found.all["connection_latency_ms"].count == 3
    assert found.all["key_negotiation_ms"].mean == 3.0


def test_it_goes_over_the_control_socket_as_it_is() -> None:
    for one in (answer(some(), 1), answer(Performance())):
        assert shape.build(ReportAnswer, shape.loads(shape.dumps(one).encode())) == one


def test_the_files_have_the_fields_of_the_original_and_ours(tmp_path: Path) -> None:
    performance = some()
    found = answer(performance, 2)
    paths = files.save(tmp_path, found, performance.latest)
    body = json.loads(paths[0].read_text())
    assert list(body["summary"]) == SUMMARY.split()
    assert body["summary"]["avg_key_negotiation_ms"] == 3.0 and body["summary"]["total_connections"] == 6
    first, *_ = body["connections"]
    assert list(first)[:6] == CONNECTION.split()
    assert (first["connection_latency_ms"], first["bytes_sent"], first["outcome"]) == (100.0, 125_000, "secured")
    assert shape.build(ReportAnswer, {name: body[name] for name in ReportAnswer.__slots__}) == found
    rows = list(csv.DictReader(StringIO(paths[1].read_text())))
    (one,) = [row for row in rows if row["provider"] == "zircon" and row["metric"] == "throughput_mbps"]
    assert (one["outcome"], one["count"], float(one["min"])) == ("secured", "1", 1.0)
    assert {row["outcome"] for row in rows} >= {"all", "secured"}


def test_an_earlier_report_is_not_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 7.0)
    files.save(tmp_path, answer(Performance()), ())
    with pytest.raises(FileExistsError):
        files.save(tmp_path, answer(Performance()), ())


def test_what_is_kept_is_bounded() -> None:
    performance = Performance()
    for number in range(LATEST + 5):
        performance.add(replace(SECURED, released_ns=1000 * MS + number))
    assert len(performance.latest) == LATEST and len(performance.groups) == 1
    assert answer(performance).total_connections == LATEST + 5


def test_usage_is_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = Usage()
    usage.sample()
    assert usage.cpu.count == 0, "in no time there is no share of it"
    usage._at -= 10**9
    usage._used -= 5 * 10**8
    usage.sample()
    assert 5_000 < usage.cpu.largest < 100_000, "half of a processor or less, in thousandths of a percent"
    assert 10**7 < usage.memory.least < 10**10
