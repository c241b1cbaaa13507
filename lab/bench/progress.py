# SPDX-License-Identifier: Apache-2.0
"""What the bench says while it is at work."""

from __future__ import annotations

import sys


def say(text: str) -> None:
    """Progress, on standard error."""
    print(f"bench: {text}", file=sys.stderr, flush=True)
