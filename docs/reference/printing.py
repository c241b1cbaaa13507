# SPDX-License-Identifier: Apache-2.0
"""A page for standard output, unless something in the code does not say what it is."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence


def printed(page: Iterable[str], missing: Sequence[str], lack: str) -> int:
    """Print the page, or in its place each of what is `missing`, with what it lacks; the exit status."""
    if missing:
        print("\n".join(f"'{name}' {lack}" for name in missing), file=sys.stderr)
        return 1
    print("\n".join(page))
    return 0
