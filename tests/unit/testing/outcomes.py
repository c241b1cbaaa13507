# SPDX-License-Identifier: Apache-2.0
"""Runs a file of tests inside a test, and says what became of each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """'passed', 'failed' or 'skipped', and why."""

    outcome: str
    why: str


Outcomes = dict[str, dict[str, Result]]


class Recorder:
    """A pytest plugin that keeps outcomes by class and test; a setup or teardown that fails is a failure."""

    def __init__(self) -> None:
        self.found: Outcomes = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Of classes whose tests take long, only those that are said to fail."""
        items[:] = [item for item in items if not _passed_over(item)]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """The outcome of a phase of a test; the first that is not passed counts."""
        *_, group, name = report.nodeid.split("::")
        results = self.found.setdefault(group, {})
        before = results.get(name.partition("[")[0])
        if before is None or before.outcome == "passed":
            why = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr or "")
            results[name.partition("[")[0]] = Result(outcome=report.outcome, why=why)


def _passed_over(item: pytest.Item) -> bool:
    group = getattr(item, "cls", None)
    if not getattr(group, "slow", False) or not group.breaks:
        return False
    return item.name not in (group.breaks, *group.also)


def outcomes_of(path: Path) -> Outcomes:
    """By class and test; raises AssertionError where the file could not be collected."""
    recorder = Recorder()
    words = [str(path), "-qq", "--no-header", "--no-summary", "-p", "no:cacheprovider", "--tb=short"]
    options = ["-o", "addopts=", "-o", "asyncio_default_fixture_loop_scope=function", "--import-mode=importlib"]
    status = pytest.main([*words, *options, f"--rootdir={path.parent}"], plugins=[recorder])
    assert status in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED), f"'{path}' could not be run: {status}"
    return recorder.found
