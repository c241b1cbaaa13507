# SPDX-License-Identifier: Apache-2.0
"""Every target: its seeds reach all that its parser can understand, and what once broke it breaks it no more."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from tests.fuzz.kit.target import HERE, Slow, Target, known, load, names
from tests.fuzz.kit.words import both_ways, text_of

FOUND = sorted((HERE / "found").glob("*/*"))


@pytest.mark.parametrize("name", names())
def test_the_seeds_reach_every_kind(name: str) -> None:
    target = load(name)
    reached = {kind for seed in target.seeds() for kind in target.run(seed)}
    missing = target.kinds - reached
    assert not missing, "a type that no seed has is one that no fuzzer sees: add a seed"
    assert all(len(seed) <= target.longest for seed in known(name, target)), "a seed that the fuzzer would cut"


@pytest.mark.parametrize("path", FOUND, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_was_found_holds(path: Path) -> None:
    load(path.parent.name).run(path.read_bytes())


@pytest.mark.parametrize("name", names())
def test_an_empty_input_is_one(name: str) -> None:
    load(name).run(b"")


def test_found_inputs_are_of_targets_that_exist() -> None:
    assert {path.parent.name for path in FOUND} <= set(names())


def test_texts_are_the_same_in_either_way_of_writing() -> None:
    words = (b"mode = ", b"mode", b"\n", b"\xc3\xa4")
    for text in (b"", b"mode = x\nmode\n", "ä".encode(), b"\0\1"):
        assert [text_of(data, words) for data in both_ways([text], words)] == [text, text]


def test_more_words_than_can_be_told_apart_are_refused() -> None:
    with pytest.raises(ValueError, match="129 words, 128"):
        list(both_ways([b""], [b"%d" % number for number in range(129)]))


def test_an_input_that_takes_too_long_is_a_finding() -> None:
    def one(data: bytes) -> Iterable[str]:
        began = time.thread_time()
        while time.thread_time() - began < 0.01:  # by the clock: how much work that is differs from machine to machine
            sum(range(1000))
        return ()

    with pytest.raises(Slow, match=r"^3 bytes took .* s of processor time, 0\.001 s are allowed$"):
        _target(one).run(b"abc")


def test_a_refusal_is_none_and_anything_else_is() -> None:
    def one(data: bytes) -> str:
        raise KeyError if data else ValueError

    assert _target(one).run(b"") == frozenset()
    with pytest.raises(KeyError):
        _target(one).run(b"x")


def _target(one: Callable[[bytes], Iterable[str]]) -> Target:
    nothing = frozenset[str]()
    return Target(one=one, seeds=tuple, kinds=nothing, refusals=(ValueError,), modules=(), seconds=0.001)
