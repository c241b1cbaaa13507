# SPDX-License-Identifier: Apache-2.0
"""The verdict of a stress run, from what its tests reported: each counts, and one that never ended is no success."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import stressed
from tests.lab.kit.stress import times

Phases = list[tuple[str, str, dict[str, object]]]
PASSED: Phases = [("setup", "passed", {}), ("call", "passed", {"times": 40}), ("teardown", "passed", {"times": 40})]
SKIPPED: Phases = [("setup", "skipped", {}), ("teardown", "passed", {})]
FAILED: Phases = [("setup", "passed", {}), ("call", "failed", {"lost": 3}), ("teardown", "passed", {"lost": 3})]
Judge = Callable[..., tuple[int, list[dict[str, object]]]]


@pytest.fixture
def judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Judge:
    """A function that gives the exit status and the rows of a run of such tests."""

    def run(*tests: Phases) -> tuple[int, list[dict[str, object]]]:
        reports, out = tmp_path / "stress.jsonl", tmp_path / "stress.json"
        lines = [
            {"test": f"tests/lab/test_x.py::test_a_b[{number}]", "phase": phase, "outcome": outcome, "seconds": 0.6}
            | {"properties": properties}
            for number, phases in enumerate(tests)
            for phase, outcome, properties in phases
        ]
        if tests:
            reports.write_text("".join(json.dumps(line) + "\n" for line in lines))
        monkeypatch.setattr("sys.argv", ["stressed.py", str(reports), str(out)])
        return stressed.main(), json.loads(out.read_text())

    return run


def test_a_good_run(judge: Judge, capsys: pytest.CaptureFixture[str]) -> None:
    status, rows = judge(PASSED, SKIPPED)
    assert status == 0 and [row["outcome"] for row in rows] == ["passed", "skipped"]
    good = {"what": "a b[0]", "file": "test_x.py", "times": 40, "outcome": "passed", "seconds": 2, "found": {}}
    assert rows[0] == good
    assert "a b[0]         40  passed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("bad", "outcome"), [(FAILED, "failed"), (PASSED[:2], "cut short"), ([*PASSED[:2], FAILED[1]], "failed")]
)
def test_a_failure_shows(judge: Judge, bad: Phases, outcome: str) -> None:
    status, rows = judge(PASSED, bad)
    assert status == 1 and [row["outcome"] for row in rows] == ["passed", outcome]


@pytest.mark.parametrize(
    "name", ["x::test_a[turn{}]", "x::test_a[b-turn{}]", "x::test_a[turn{}-b]", "x::test_a[b-turn{}-c]"]
)
def test_all_turns_of_a_test_are_one_row_which_is_as_bad_as_the_worst(name: str) -> None:
    lines = [
        json.dumps(
            {"test": name.format(turn), "phase": phase, "outcome": outcome, "seconds": 1, "properties": properties}
        )
        for turn, phases in ((9, PASSED), (10, FAILED), (11, PASSED))
        for phase, outcome, properties in phases
    ]
    (row,) = stressed.read(lines)
    assert (row.times, row.outcome, row.seconds, row.found) == (81, "failed", 9, {"lost": "3"})
    assert "turn" not in row.what


def test_what_a_failed_test_found_is_kept(judge: Judge) -> None:
    assert judge(FAILED)[1][0]["found"] == {"lost": "3"}


def test_no_test_at_all_is_no_success(judge: Judge) -> None:
    assert judge() == (1, [])


@pytest.mark.parametrize(("factor", "count"), [("", 60), ("1", 1000), ("2", 2000), ("0.01", 10), ("0.0001", 1)])
def test_how_often(monkeypatch: pytest.MonkeyPatch, factor: str, count: int) -> None:
    monkeypatch.setenv("LAB_STRESS", factor)
    assert times(60, 1000) == count


@pytest.mark.parametrize("factor", ["0", "-1", "nan", "inf", "many"])
def test_how_often_is_a_number(monkeypatch: pytest.MonkeyPatch, factor: str) -> None:
    monkeypatch.setenv("LAB_STRESS", factor)
    with pytest.raises(ValueError, match=r"LAB_STRESS|could not convert"):
        times(60, 1000)
