# SPDX-License-Identifier: Apache-2.0
"""Starts sinks in processes, and ends those that a test leaves."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.unit.events.sinks_for_tests import Configured, Start, wait_until
from tlshub_core.events.sinks import Sinks


@pytest.fixture(autouse=True)
def _no_threads() -> None:
    """Sinks are not started beside threads, and other tests' may take a moment to end."""
    wait_until(lambda: threading.active_count() == 1)


@pytest.fixture
def start() -> Iterator[Start]:
    """Start sinks."""
    started: list[Sinks] = []

    def _start(*specs: Configured, limit: int = 200_000) -> Sinks:
        started.append(Sinks(limit=limit))
        started[-1].start(specs)
        return started[-1]

    yield _start
    for sinks in started:
        sinks.close(timeout=0)
