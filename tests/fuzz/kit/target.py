# SPDX-License-Identifier: Apache-2.0
"""What is fuzzed: a parser of bytes that somebody else writes, and what must hold whatever these bytes are."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parents[1]
ROOT = HERE.parents[1]
TRIES = 3


class Slow(Exception):
    """An input took longer than any input may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One parser, or a few small ones.

    `one` takes an input, and gives the names of what it was understood as: none, where it was refused. It may raise
    `refusals`; whatever else it raises is a finding, and so is an AssertionError about a property that does not hold.
    `kinds` are all names that there are: the seeds reach each of them. `modules` are those whose lines are counted.
    `words` are what such inputs are made of, `seconds` (of processor time) what one of them may take.
    """

    one: Callable[[bytes], Iterable[str]]
    seeds: Callable[[], Iterable[bytes]]
    kinds: frozenset[str]
    refusals: tuple[type[Exception], ...]
    modules: tuple[str, ...]
    words: tuple[bytes, ...] = ()
    longest: int = 4096
    seconds: float = 1.0

    def run(self, data: bytes) -> frozenset[str]:
        """What it is understood as; raises for a finding. An input that is slow is slow each time that it is tried."""
        for _ in range(TRIES):
            began = time.thread_time()
            understood = self._once(data)
            took = time.thread_time() - began
            assert understood <= self.kinds, f"{sorted(understood - self.kinds)}: there is no such kind"
            if took <= self.seconds:
                return understood
        raise Slow(f"{len(data)} bytes took {took:.1f} s of processor time, {self.seconds} s are allowed")

    def _once(self, data: bytes) -> frozenset[str]:
        try:
            return frozenset(self.one(data))
        except self.refusals:
            return frozenset()


def names() -> tuple[str, ...]:
    """All targets: the modules of the folder 'targets'."""
    return tuple(sorted(path.stem for path in (HERE / "targets").glob("*.py")))


def load(name: str) -> Target:
    """The target of that name; one of another folder is 'FOLDER.NAME'. Raises ModuleNotFoundError."""
    where = name if "." in name else f"targets.{name}"
    found: Target = importlib.import_module(f"tests.fuzz.{where}").TARGET
    return found


def inputs(folder: Path) -> Iterator[bytes]:
    """The contents of the files in that folder, in the order of their names."""
    return (path.read_bytes() for path in sorted(folder.glob("*")) if path.is_file())


def known(name: str, target: Target) -> list[bytes]:
    """What a run begins with: the seeds, and what was found to break the target once."""
    return [*target.seeds(), *inputs(HERE / "found" / name)]
