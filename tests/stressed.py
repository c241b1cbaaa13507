# SPDX-License-Identifier: Apache-2.0
"""Reads what the tests of a stress run reported: what was done, how often, what happened; as a table and as JSON."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypedDict

TIMES = "times"  # the property in which a test says how often; what else it recorded is what happened
TURN = re.compile(r"-turn\d+(?=[-\]])|(?<=\[)turn\d+-|\[turn\d+\]")  # of a name: those of one test are one row
WORST = ("failed", "cut short", "skipped", "passed")
LAST = "teardown"  # a test that never came to it ended with its machine


class Phase(TypedDict):
    """A line of `tests/lab/kit/reports.py`."""

    test: str
    phase: str
    outcome: str
    seconds: float
    properties: dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One test."""

    what: str
    file: str
    times: int
    outcome: str
    seconds: int
    found: Mapping[str, str]

    @property
    def happened(self) -> str:
        """The outcome, and what the test recorded."""
        return "; ".join([self.outcome, *(f"{name}: {value}" for name, value in self.found.items())])


def main() -> int:
    """stressed.py REPORTS JSON; returns 1 where a test failed or did not come to its end, or none ran."""
    reports, out = Path(sys.argv[1]), Path(sys.argv[2])
    rows = read(reports.read_text().splitlines()) if reports.exists() else []
    out.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    _show(rows)
    return 0 if rows and all(row.outcome in ("passed", "skipped") for row in rows) else 1


def read(lines: Iterable[str]) -> list[Row]:
    """A row for each test, in their order, all its turns together; a line is a phase of one."""
    tests: dict[str, dict[str, list[Phase]]] = {}
    for line in lines:
        one: Phase = json.loads(line)
        tests.setdefault(TURN.sub("", one["test"]), {}).setdefault(one["test"], []).append(one)
    return [_row(test, list(turns.values())) for test, turns in tests.items()]


def _row(test: str, turns: Sequence[Sequence[Phase]]) -> Row:
    file, _, name = test.partition("::")
    found = [{key: str(value) for key, value in phases[-1]["properties"].items()} for phases in turns]
    return Row(
        what=name.removeprefix("test_").replace("_", " "),
        file=Path(file).name,
        times=sum(int(one.pop(TIMES, "1")) for one in found),
        outcome=min(map(_outcome, turns), key=WORST.index),
        seconds=round(sum(phase["seconds"] for phases in turns for phase in phases)),
        found={key: ", ".join(dict.fromkeys(one[key] for one in found if key in one)) for key in _keys(found)},
    )


def _keys(found: Sequence[Mapping[str, str]]) -> list[str]:
    return list(dict.fromkeys(key for one in found for key in one))


def _outcome(phases: Sequence[Phase]) -> str:
    outcomes = {phase["outcome"] for phase in phases}
    if "failed" in outcomes:
        return "failed"
    if phases[-1]["phase"] != LAST:
        return "cut short"
    return "skipped" if "skipped" in outcomes else "passed"


def _show(rows: Sequence[Row]) -> None:
    table = [("what", "how often", "what happened"), *((row.what, str(row.times), row.happened) for row in rows)]
    wide, often = (max(len(line[column]) for line in table) for column in (0, 1))
    for what, times, happened in table:
        print(f"{what:<{wide}}  {times:>{often}}  {happened}")


if __name__ == "__main__":
    sys.exit(main())
