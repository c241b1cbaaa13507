# SPDX-License-Identifier: Apache-2.0
"""The client: a process for each connection, all of which begin at the same moment."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import TypeVar

from tlshub_core.benching import child
from tlshub_core.benching.work import Done, Failed, Ready, Share, work
from tlshub_core.types.errors import Unavailable

T = TypeVar("T")
_FORK = multiprocessing.get_context("fork")
Check = Callable[[Sequence[Ready]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """From the first begin to the last end, and how long each request took, in no order; `suites` of TLS, sorted."""

    seconds: float
    took_ns: Sequence[int]
    suites: tuple[str, ...]


def run(shares: Sequence[Share], check: Check) -> Outcome:
    """Do all shares side by side; `check` sees the connections before the work begins, and may raise.

    Raises Unavailable where a process fails, with its message.
    """
    with _processes(shares) as pipes:
        ready = [_heard(pipe, Ready) for pipe in pipes]
        check(ready)
        for pipe in pipes:
            pipe.send(None)
        done = [_heard(pipe, Done) for pipe in pipes]
    return Outcome(
        seconds=(max(one.ended for one in done) - min(one.began for one in done)) / 1e9,
        took_ns=[took for one in done for took in one.took],
        suites=tuple(sorted({one.suite for one in ready} - {""})),
    )


def shared(count: int, among: int) -> list[int]:
    """So much work in as many pieces, none of which is more than one larger than another; none of them is empty."""
    return [piece for at in range(among) if (piece := (count + at) // among)]


@contextmanager
def _processes(shares: Sequence[Share]) -> Iterator[Sequence[Connection]]:
    started: list[tuple[BaseProcess, Connection]] = []
    try:
        for share in shares:
            ours, theirs = _FORK.Pipe()
            process: BaseProcess = _FORK.Process(target=work, args=(os.getpid(), share, theirs), daemon=True)
            with child.undisturbed():
                process.start()
                started.append((process, ours))
            theirs.close()
        yield [pipe for _, pipe in started]
    finally:
        for process, pipe in started:
            pipe.close()
            process.kill()
            process.join()


def _heard(pipe: Connection, kind: type[T]) -> T:
    try:
        said = pipe.recv()
    except EOFError:
        said = Failed(message="a process of the client ended without a word")
    if isinstance(said, kind):
        return said
    raise Unavailable(said.message if isinstance(said, Failed) else f"a process of the client said '{said}'")
