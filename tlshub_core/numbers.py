# SPDX-License-Identifier: Apache-2.0
"""Numbers that come as JSON, which knows no largest one: what is computed with them has limits."""

from __future__ import annotations

MOST = 2**64 - 1


def fits(number: int) -> bool:
    """Whether it has at most 64 bits beside its sign, as whatever a kernel or an agent counts."""
    return -MOST <= number <= MOST
