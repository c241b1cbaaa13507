# SPDX-License-Identifier: Apache-2.0
"""Makes the oracle importable as it is for its script."""

from __future__ import annotations

import sys
from pathlib import Path

_CHECKOUT = Path(__file__).parents[3]
sys.path[:0] = [str(_CHECKOUT), str(_CHECKOUT / "lab")]
