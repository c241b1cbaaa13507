# SPDX-License-Identifier: Apache-2.0
"""Makes the documentation's own programs importable as they are for each other."""

from __future__ import annotations

import sys
from pathlib import Path

_DOCS = Path(__file__).parents[3] / "docs"
sys.path[:0] = [str(_DOCS), str(_DOCS / "reference")]
