# SPDX-License-Identifier: Apache-2.0
"""Whether a peer that was asked answers at all: while it does not, new connections to it wait in TCP's handshake.

A session that is up lets the SYN go at once, and the application's threads then wait in the gate, busily. That is for
moments; a peer whose agent hangs would have every client of this node spin until its deadline.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Pace:
    """One session's; `late` is told True when nothing was answered for `late_s` seconds, False at the next answer."""

    def __init__(self, late_s: float, late: Callable[[bool], None]) -> None:
        self._late_s, self._late = late_s, late
        self._outstanding = self._answers = 0
        self._timer: asyncio.TimerHandle | None = None
        self.is_late = False

    def asked(self) -> None:
        """One more question is out."""
        self._outstanding += 1
        if self._timer is None:
            self._watch()

    def withdrawn(self) -> None:
        """One question fewer is out: it was answered, or nobody waits for the answer any more."""
        self._outstanding -= 1

    def answered(self) -> None:
        """The peer said something."""
        self._answers += 1
        if self.is_late:
            self.is_late = False
            self._late(False)

    def stop(self) -> None:
        """The session is over; nobody is told anything any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _watch(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._late_s, self._check, self._answers)

    def _check(self, answers: int) -> None:
        self._timer = None
        if not self._outstanding:
            return
        if answers == self._answers and not self.is_late:
            self.is_late = True
            self._late(True)
        self._watch()
