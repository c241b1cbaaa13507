# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.fuzz [--seconds N] [--folder FOLDER] [TARGET...]`: fuzzes targets, as many at a time as there are
processors, and ends with a table. Exit status 1 where something was found, with the input and how to run it again.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from tests.fuzz.kit.run import Outcome, Run
from tests.fuzz.kit.target import names
from tlshub_core.cli.common import print_rows

_EVERY_S = 10.0


def main() -> int:
    """See above."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--folder", type=Path, default=Path("build/fuzz"), help="for what is found")
    parser.add_argument("targets", nargs="*", default=names())
    arguments = parser.parse_args()
    if not find_spec("atheris"):
        print("fuzz: skipped: the fuzzer 'atheris' is not installed, it has no wheel for this Python or machine")
        return 0
    outcomes = asyncio.run(_all([Run(name, arguments.folder, arguments.seconds) for name in arguments.targets]))
    _table(outcomes)
    for failure in (outcome.failure for outcome in outcomes if outcome.failure):
        print(f"fuzz: {failure}")
    return 1 if any(outcome.failure for outcome in outcomes) else 0


async def _all(runs: Sequence[Run]) -> list[Outcome]:
    turn = asyncio.Semaphore(len(os.sched_getaffinity(0)))
    began, under_way = time.monotonic(), dict[str, Run]()

    async def one(run: Run) -> Outcome:
        async with turn:
            under_way[run.name] = run
            try:
                return await run.outcome()
            finally:
                del under_way[run.name]

    telling = asyncio.create_task(_tell(under_way, began))
    try:
        return await asyncio.gather(*(one(run) for run in runs))
    finally:
        telling.cancel()


async def _tell(under_way: dict[str, Run], began: float) -> None:
    while True:
        await asyncio.sleep(_EVERY_S)
        runs = "; ".join(f"{run.name} {run.executions} inputs, {run.inputs} new" for run in under_way.values())
        print(f"fuzz: {time.monotonic() - began:.0f} s: {runs}", flush=True)


def _table(outcomes: Sequence[Outcome]) -> None:
    rows = [
        (
            one.name,
            str(one.executions),
            str(one.inputs),
            f"{one.lines[0]} of {one.lines[1]}" if one.lines else "-",
            "a finding" if one.failure else "held",
        )
        for one in outcomes
    ]
    print_rows(("target", "executions", "new inputs", "lines reached", ""), rows)


if __name__ == "__main__":
    raise SystemExit(main())
