# SPDX-License-Identifier: Apache-2.0
"""The rules that the programs in the kernel go by: those of the configuration, or for a while none.

A bypass is a row before all others, which leaves new connections alone. Connections that began before have their rule
in the flow table and go their way; what the peer was promised is kept, as after any change of the rules.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from tlshub_core.pipeline.rules import MAX_ROWS
from tlshub_core.types.capture import Match, RuleSet
from tlshub_core.types.errors import TlshubError
from tlshub_core.types.events import Bypass, Event
from tlshub_core.types.flow import Mode, Side
from tlshub_core.types.interfaces import CaptureBackend

BYPASS = "bypass"
BYPASS_RULE = MAX_ROWS  # no rule of a configuration has that number: each of them takes a row at least
RETRY_S = 5.0
_ROW = Match(rule=BYPASS_RULE, mode=Mode.BYPASS, sides=frozenset(Side), ports=(1, 65535), network=None)
_log = logging.getLogger("tlshub.rules")


class Ruling:
    """`rules` are the configuration's, also while a bypass lasts; a bypass ends with the agent."""

    def __init__(self, backend: CaptureBackend, rules: RuleSet, emit: Callable[[Event], None]) -> None:
        self._backend, self.rules, self._emit = backend, rules, emit
        self._bypassed = False
        self._end: asyncio.TimerHandle | None = None

    @property
    def bypassed(self) -> bool:
        """Whether new connections are left alone."""
        return self._bypassed

    @property
    def left_s(self) -> int | None:
        """How long they still are, in seconds; None where no end is set."""
        return None if self._end is None else max(0, round(self._end.when() - asyncio.get_running_loop().time()))

    def replace(self, rules: RuleSet) -> None:
        """Rules of a new configuration; a bypass stays. Raises what the backend does, and the old ones stay."""
        self._backend.replace(spared(rules) if self._bypassed else rules)
        self.rules = rules

    def bypass(self, seconds: int, who: str) -> None:
        """Leave new connections alone from now on, until `lift`, or for so many seconds where they are not 0."""
        self._backend.replace(spared(self.rules))
        self._bypassed = True
        self._stop_clock()
        if seconds:
            self._end = asyncio.get_running_loop().call_later(seconds, self._expire)
        until = f"for {seconds} s" if seconds else "until it is switched off"
        _log.warning("BYPASS ON (%s): new connections are NOT encrypted, whatever their rule says, %s", who, until)
        self._emit(Bypass(time_ns=time.monotonic_ns(), on=True, seconds=seconds, detail=who))

    def lift(self, who: str) -> None:
        """Go by the rules again; nothing where that is so already. Raises what the backend does."""
        if not self._bypassed:
            return
        self._backend.replace(self.rules)
        self._bypassed = False
        self._stop_clock()
        _log.warning("BYPASS OFF (%s): the rules are in force for new connections", who)
        self._emit(Bypass(time_ns=time.monotonic_ns(), on=False, seconds=0, detail=who))

    def _expire(self) -> None:
        try:
            self.lift("its time is over")
        except (TlshubError, OSError) as error:
            _log.error("the bypass cannot be lifted, new connections go on in clear: %s; trying again", error)
            self._end = asyncio.get_running_loop().call_later(RETRY_S, self._expire)

    def _stop_clock(self) -> None:
        if self._end is not None:
            self._end.cancel()
            self._end = None


def spared(rules: RuleSet) -> RuleSet:
    """The rows of the configuration stay behind the one that matches all, so that the backend judges them as ever."""
    return RuleSet(names=rules.names, matches=(_ROW, *rules.matches)[:MAX_ROWS])
