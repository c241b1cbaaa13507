# SPDX-License-Identifier: Apache-2.0
"""Makes the bench importable as it is for its own processes."""

from __future__ import annotations

import sys
from pathlib import Path

_CHECKOUT = Path(__file__).parents[3]
sys.path[:0] = [str(_CHECKOUT), str(_CHECKOUT / "lab")]
