# SPDX-License-Identifier: Apache-2.0
"""The sink, served at a free port, and what it says there."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3]))

from plugins.prometheus.tests.scrapes import Scraped
from tlshub_core.testing.pair import free_port


@pytest.fixture
def scraped() -> Iterator[Scraped]:
    """A sink in this process."""
    one = Scraped(free_port())
    yield one
    one.sink.close()
