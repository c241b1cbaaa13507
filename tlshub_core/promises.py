# SPDX-License-Identifier: Apache-2.0
"""Accepting ends that were promised to peers, and have not come by the addresses that they were promised by."""

from __future__ import annotations

import time
from itertools import islice

from tlshub_core.types.flow import Tuple4

BEFORE_S = 10.0  # so long before an end came, the promise may have been made that was meant for it
KEPT_S = 130.0  # longer than an end waits, with the time before


class Promises:
    """An end that nobody asked for, and that resembles one of these, may be it, by addresses translated on the way.

    Its other end is in TLS then, so it may not go in clear.
    """

    def __init__(self) -> None:
        self._made: dict[Tuple4, float] = {}

    def made(self, tuple4: Tuple4) -> None:
        """The peer was promised that one, which is not here yet."""
        self._made.pop(tuple4, None)
        now = self._made[tuple4] = time.monotonic()
        for oldest, since in tuple(islice(self._made.items(), 2)):
            if since < now - KEPT_S:
                del self._made[oldest]

    def kept(self, tuple4: Tuple4) -> None:
        """It has come."""
        self._made.pop(tuple4, None)

    def may_be(self, tuple4: Tuple4, came_ns: int) -> bool:
        """Whether the end that came then (CLOCK_MONOTONIC) may be one that was promised."""
        since = came_ns / 1e9 - BEFORE_S
        return any(made > since and tuple4.resembles(promised) for promised, made in self._made.items())
