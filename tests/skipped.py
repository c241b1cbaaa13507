# SPDX-License-Identifier: Apache-2.0
"""Reads JUnit files of this run: names every skipped test with its reason, or with --totals sums up in one line.

A test that is in several files counts as the last of them has it: it was tried again.
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path


def main() -> int:
    """skipped.py [--totals] FILE...; files that do not exist are passed over, as their part did not run."""
    totals = "--totals" in sys.argv
    latest = {_name(case): case for name in sys.argv[1:] for case in _cases(Path(name))}
    cases = list(latest.values())
    skipped = [(case, skip) for case in cases for skip in case.findall("skipped")]
    bad = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    if totals:
        print(f"{len(cases) - len(skipped) - len(bad)} passed, {len(bad)} failed, {len(skipped)} skipped")
        return 0
    for case, skip in skipped:
        print(f"{_name(case)}: {skip.get('message')}")
    if not skipped:
        print("nothing")
    return 0


def _name(case: ElementTree.Element) -> str:
    return f"{case.get('classname')}::{case.get('name')}"


def _cases(path: Path) -> list[ElementTree.Element]:
    if not path.exists():
        return []
    try:
        return list(ElementTree.parse(path).iter("testcase"))
    except ElementTree.ParseError as error:
        print(f"'{path}' is damaged ({error}): its part did not come to its end", file=sys.stderr)
        return []


if __name__ == "__main__":
    sys.exit(main())
