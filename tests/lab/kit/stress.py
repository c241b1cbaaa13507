# SPDX-License-Identifier: Apache-2.0
"""How often a test does what it does: a sample in `make test`, more in `make stress`."""

from __future__ import annotations

import os


def times(sample: int, stress: int) -> int:
    """`sample`, or where LAB_STRESS is set, that many times `stress`; raises ValueError where it is no number."""
    return int(factor) * stress if (factor := os.environ.get("LAB_STRESS")) else sample
