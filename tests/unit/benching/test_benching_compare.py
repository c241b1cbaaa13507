# SPDX-License-Identifier: Apache-2.0
"""'bench compare': what is beyond noise is said, what is not is not; by ratios where machines differ."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.unit.benching.sample import CONCURRENCY, COSTS, ENVIRONMENT, SIZES, result
from tlshub_core.benching import files
from tlshub_core.cli.main import main

LOADS = len(CONCURRENCY) * (1 + len(SIZES))
SLOWER = {**COSTS, "stunnel": 5.0}


def compared(folder: Path, before: object, after: object, *options: str) -> Result:
    for name, one in (("a", before), ("b", after)):
        (folder / name).write_text(one if isinstance(one, str) else files.encode(one))  # type: ignore[arg-type]
    return CliRunner().invoke(main, ["bench", "compare", str(folder / "a"), str(folder / "b"), *options])


def test_the_same_is_no_worse(tmp_path: Path) -> None:
    done = compared(tmp_path, result(), result())
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[-1] == (
        f"{LOADS * 9} figures compared, by their figures: 0 worse, 0 better, {LOADS * 9} no different"
    )


@pytest.mark.parametrize(("first", "second", "status", "verdict"), [(0, 1, 1, "worse"), (1, 0, 0, "better")])
def test_what_is_slower_is_worse_and_the_other_way_round(
    tmp_path: Path, first: int, second: int, status: int, verdict: str
) -> None:
    both = (result(), result(SLOWER))
    done = compared(tmp_path, both[first], both[second], "--json")
    assert done.exit_code == status, done.output
    found = json.loads(done.stdout)
    assert {(one["variant"], one["figure"]) for one in found if one["verdict"] == verdict} == {
        ("stunnel", name) for name in ("per_second", "p50_ns", "p95_ns")
    }
    assert {one["verdict"] for one in found if one["variant"] != "stunnel"} == {"no different"}


def test_less_than_is_asked_about_is_nothing(tmp_path: Path) -> None:
    assert compared(tmp_path, result(), result(SLOWER), "--least", "0.3").exit_code == 0
    assert compared(tmp_path, result(), result(SLOWER), "--least", "0.1").exit_code == 1


def test_another_machine_is_compared_by_ratios(tmp_path: Path) -> None:
    """All of it half as fast: figures would be worse throughout."""
    slow = {name: 2 * cost for name, cost in COSTS.items()}
    other = replace(result(slow), environment=replace(ENVIRONMENT, processor="another"))
    done = compared(tmp_path, result(), other)
    assert done.exit_code == 0, done.output
    assert "by their ratios to plain, since machine or settings differ: 0 worse" in done.stdout
    assert compared(tmp_path, result(), result(slow)).exit_code == 1


def test_too_few_rounds_say_nothing(tmp_path: Path) -> None:
    done = compared(tmp_path, result(), replace(result(rounds=5)))
    assert done.exit_code == 2
    assert f"error: '{tmp_path / 'b'}', table '[settings]', key 'rounds': " in done.stderr


def test_nothing_in_common(tmp_path: Path) -> None:
    old, new = result(), result()
    only = {row.variant for row in old.rows} - {"plain"}
    trials = tuple(replace(one, concurrency=one.concurrency + 9) for one in new.trials)
    rows = tuple(replace(row, concurrency=row.concurrency + 9) for row in new.rows)
    done = compared(tmp_path, old, replace(new, trials=trials, rows=rows))
    assert done.exit_code == 2 and "in common" in done.stderr and only


@pytest.mark.parametrize("text", ["", "{}", "[1]", "\0"])
def test_files_that_are_none(tmp_path: Path, text: str) -> None:
    done = compared(tmp_path, result(), text)
    assert (done.exit_code, done.stderr.count("error:")) == (2, 1), done.output
    assert f"'{tmp_path / 'b'}'" in done.stderr
    assert CliRunner().invoke(main, ["bench", "compare", "/nowhere", "/nowhere"]).exit_code == 2
