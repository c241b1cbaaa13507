# SPDX-License-Identifier: Apache-2.0
"""Makes the helpers of these tests importable, and says what a machine lacks."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from tlshub_capture_bpf.objects import OBJECT


@pytest.fixture(scope="session")
def compiled() -> Path:
    """The compiled programs."""
    if not OBJECT.exists():
        pytest.skip("the BPF programs are not compiled here: run 'python bpf/hatch_build.py', which needs clang")
    return OBJECT
