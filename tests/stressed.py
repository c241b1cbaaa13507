# SPDX-License-Identifier: Apache-2.0
"""Reads the JUnit file of a stress run: a table of what was done, how often and what happened, and the same as JSON."""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

TIMES = "times"  # the property in which a test says how often; what else it recorded is what happened


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
    """stressed.py JUNIT JSON; returns 1 where a test failed or none ran."""
    rows = [_row(case) for case in ElementTree.parse(sys.argv[1]).iter("testcase")]
    Path(sys.argv[2]).write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    _show(rows)
    return 0 if rows and all(row.outcome != "failed" for row in rows) else 1


def _show(rows: Sequence[Row]) -> None:
    table = [("what", "how often", "what happened"), *((row.what, str(row.times), row.happened) for row in rows)]
    wide, often = (max(len(line[column]) for line in table) for column in (0, 1))
    for what, times, happened in table:
        print(f"{what:<{wide}}  {times:>{often}}  {happened}")


def _row(case: ElementTree.Element) -> Row:
    said = {one.get("name", ""): one.get("value", "") for one in case.iter("property")}
    return Row(
        what=case.get("name", "").removeprefix("test_").replace("_", " "),
        file=case.get("classname", "").rpartition(".")[2] + ".py",
        times=int(said.pop(TIMES, "1")),
        outcome=_outcome(case),
        seconds=round(float(case.get("time", "0"))),
        found=said,
    )


def _outcome(case: ElementTree.Element) -> str:
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    return "skipped" if case.find("skipped") is not None else "passed"


if __name__ == "__main__":
    sys.exit(main())
