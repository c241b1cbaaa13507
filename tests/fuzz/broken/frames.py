# SPDX-License-Identifier: Apache-2.0
"""The target 'frames' against a decoder with a fault: it does not notice that a frame ends too early.

No seed shows it: the fuzzer has to come upon it.
"""

from __future__ import annotations

from tests.fuzz.targets.frames import TARGET
from tlshub_core.peering import decoder

__all__ = ["TARGET"]


class _Trusting(decoder._Body):
    def take(self, size: int) -> bytes:
        self._at += size
        return self._data[self._at - size : self._at]


decoder._Body = _Trusting  # type: ignore[misc]
