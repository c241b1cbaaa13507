# SPDX-License-Identifier: Apache-2.0
"""Every conformance test can fail: a plugin that breaks what it wants fails it, and no test that is about else."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from pathlib import Path

import pytest

from tests.unit.testing.outcomes import Outcomes, outcomes_of
from tlshub_core import testing
from tlshub_core.testing.conformance import Conformance

HERE = Path(__file__).parent
FILES = sorted(path.stem for path in HERE.glob("broken_*.py"))
KINDS = (
    testing.KeyProviderConformance,
    testing.MappingSourceConformance,
    testing.EventSinkConformance,
    testing.CaptureBackendConformance,
)
SHARED = frozenset(name for name in vars(Conformance) if name.startswith("test_"))


def classes(file: str) -> list[type]:
    """The classes of tests in that file."""
    module = import_module(f"tests.unit.testing.{file}")
    return [found for name, found in vars(module).items() if name.startswith("Test")]


CASES = [(file, found) for file in FILES for found in classes(file)]


@pytest.fixture(scope="module")
def outcomes() -> Callable[[str], Outcomes]:
    """What became of the tests of a file, which are run once."""
    return lru_cache(lambda file: outcomes_of(HERE / f"{file}.py"))


@pytest.mark.parametrize(("file", "broken"), CASES, ids=[f"{file}-{found.__name__}" for file, found in CASES])
def test_what_is_broken_is_caught_and_nothing_else(
    outcomes: Callable[[str], Outcomes], file: str, broken: type
) -> None:
    results = outcomes(file)[broken.__name__]
    wanted = {broken.breaks, *broken.also} - {""}  # type: ignore[attr-defined]
    if skipped := [result.why for name, result in results.items() if name in wanted and result.outcome == "skipped"]:
        pytest.skip(skipped[0])
    assert {name for name, result in results.items() if result.outcome == "failed"} == wanted


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_test_has_a_plugin_that_fails_it(kind: type[Conformance]) -> None:
    wanted = {name for name in dir(kind) if name.startswith("test_")} - SHARED
    assert wanted - {found.breaks for _, found in CASES if issubclass(found, kind)} == set()


def test_what_all_kinds_share_has_one() -> None:
    assert SHARED - {found.breaks for _, found in CASES} == set()
