# SPDX-License-Identifier: Apache-2.0
"""What became of each test, written as soon as it is known: of a run of hours that is cut short, too."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import NoReturn

import pytest

FINAL = "lab-final.txt"  # below build/: what tests/lab/inside does not try again


def final(why: str) -> NoReturn:
    """Fail for what may not happen even once, so that no second try makes it good."""
    with (Path(os.environ["LAB_CHECKOUT"]) / "build" / FINAL).open("a") as file:
        file.write(why + "\n")
    pytest.fail(why)


def note(report: pytest.TestReport) -> None:
    """In `make stress`: a line for each phase of a test (setup, call, teardown), with what it recorded until then."""
    if not os.environ.get("LAB_STRESS"):
        return
    line = {
        "test": report.nodeid,
        "phase": report.when,
        "outcome": report.outcome,
        "seconds": report.duration,
        "properties": dict(report.user_properties),
    }
    with (Path(os.environ["LAB_CHECKOUT"]) / "build/stress.jsonl").open("a") as file:
        file.write(json.dumps(line, default=str) + "\n")
