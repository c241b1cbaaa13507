# SPDX-License-Identifier: Apache-2.0
"""Accepting ends whose addresses may be translated on the way: promised and not come, or come and not asked for."""

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
        self._let_go: dict[Tuple4, float] = {}

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

    def let_go(self, tuple4: Tuple4, deadline_ns: int) -> None:
        """One that nobody asked for goes in clear; until its deadline (CLOCK_MONOTONIC) its other end may yet ask."""
        now, until = time.monotonic(), deadline_ns / 1e9
        self._let_go = {one: end for one, end in self._let_go.items() if end > now}
        if until > now:
            self._let_go[tuple4] = until

    def may_be_let_go(self, tuple4: Tuple4) -> bool:
        """Whether the end that is asked for, and has not come, may be one that went in clear before its time."""
        now = time.monotonic()
        return any(until > now and tuple4.resembles(one) for one, until in self._let_go.items())
