# SPDX-License-Identifier: Apache-2.0
"""How often a test does what it does: a sample in `make test`, more in `make stress`."""

from __future__ import annotations

import os
from math import inf

import pytest


def times(sample: int, stress: int) -> int:
    """`sample`, or where LAB_STRESS is set, that many times `stress`, once at least; a part of it will do, as 0.01.

    Raises ValueError where LAB_STRESS is no number above 0.
    """
    if not (text := os.environ.get("LAB_STRESS")):
        return sample
    factor = float(text)
    if not 0 < factor < inf:
        raise ValueError(f"LAB_STRESS is '{text}', a number above 0 is needed")
    return max(1, round(factor * stress))


def turns(stress: int) -> pytest.MarkDecorator:
    """Mark a test that is done once in `make test`, and as often as that, one after the other, in `make stress`."""
    return pytest.mark.parametrize("turn", range(times(1, stress)), indirect=True, ids="turn{}".format)
