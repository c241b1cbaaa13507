# SPDX-License-Identifier: Apache-2.0
"""One piece of work that stands still costs itself, or its round, and not the bench."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from bench.load import PATIENCE_S, LoadError
from bench.measurement import Measurement
from bench.patience import LEAST_S, MOST_DROPPED, growing, patience, twice


def rounds(stuck: set[int]) -> Callable[[int], list[Measurement]]:
    def one(number: int) -> list[Measurement]:
        if number in stuck:
            raise LoadError("it stands still")
        return [Measurement(round=number, variant="plain", load="bulk", amount=1, seconds=1.0, cpu={})]

    return one


def test_patience_is_far_above_what_work_takes_and_has_an_end() -> None:
    assert patience(0.01) == LEAST_S
    assert patience(1.0) == 50.0
    assert patience(60.0) == PATIENCE_S


def test_work_that_fails_once_is_repeated() -> None:
    answers = iter([LoadError("it stands still"), 7])

    def attempt() -> int:
        answer = next(answers)
        if isinstance(answer, LoadError):
            raise answer
        return answer

    assert twice(attempt) == 7


def test_work_that_fails_twice_fails() -> None:
    tried = []

    def attempt() -> None:
        tried.append(1)
        raise LoadError("it stands still")

    with pytest.raises(LoadError):
        twice(attempt)
    assert len(tried) == 2


def test_a_round_that_fails_is_dropped_and_said_so(capfd: pytest.CaptureFixture[str]) -> None:
    found = [([one.round for one in whole], list(dropped)) for whole, dropped in growing(rounds({2}), 3)]
    assert found == [([1], []), ([1], [2]), ([1, 3], [2])]
    assert "round 2 is dropped: it stands still" in capfd.readouterr().err


def test_too_many_rounds_that_fail_end_it() -> None:
    stuck = set(range(2, 2 + MOST_DROPPED + 1))
    seen = growing(rounds(stuck), 20)
    assert [one.round for one in next(seen)[0]] == [1]
    for _ in range(MOST_DROPPED):
        next(seen)
    with pytest.raises(LoadError):
        next(seen)
