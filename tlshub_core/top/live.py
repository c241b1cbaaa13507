# SPDX-License-Identifier: Apache-2.0
"""The view on a terminal: asked for anew at intervals and by keys, drawn whenever something changed."""

from __future__ import annotations

import signal
import time
from dataclasses import replace

from tlshub_core.control.client import CommandError
from tlshub_core.control.requests import Top
from tlshub_core.events.human import duration
from tlshub_core.top.asking import Asking
from tlshub_core.top.controls import keys
from tlshub_core.top.sample import between
from tlshub_core.top.screen import View, rows_in, screen
from tlshub_core.top.terminal import Terminal

SLOW_S = 3.0  # an agent that is asked for so long is said to be slow
_LEAVE = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP)


class LiveView:
    """May be run again after it was left, and goes on as it was."""

    def __init__(self, view: View, asking: Asking, terminal: Terminal, interval_s: float) -> None:
        self._view = view
        self._asking, self._terminal, self._interval_s = asking, terminal, interval_s
        self._next, self._asked, self._gone_since = time.monotonic() + interval_s, 0.0, 0.0

    def run(self) -> int:
        """Until it is left: by the signal with that number, by a key (0)."""
        with self._terminal.lent():
            while True:
                self._draw()
                typed, rang = self._terminal.wait(self._patience())
                if leaving := [number for number in rang if number in _LEAVE]:
                    return leaving[0]
                if not self._pressed(typed):
                    return 0
                self._heard()
                self._ask_in_time()

    def _draw(self) -> None:
        size = self._terminal.console.size
        view = replace(self._view, trouble=self._view.trouble or self._slow())
        self._terminal.show(screen(view, size.width, size.height))

    def _slow(self) -> str:
        waited = time.monotonic() - self._asked
        return f"no answer from the agent for {int(waited)} s" if self._asking.busy and waited > SLOW_S else ""

    def _patience(self) -> float | None:
        """Until there is something to do unasked."""
        if self._asking.busy or self._view.trouble:
            return 1.0  # how long it has been is shown
        return None if self._view.controls.paused else max(0.0, self._next - time.monotonic())

    def _pressed(self, typed: str) -> bool:
        """Take the keys; false where one says to quit."""
        before = self._view.controls
        for key in keys(typed):
            after = self._view.controls.pressed(key)
            if after is None:
                return False
            self._view = replace(self._view, controls=after)
        if not self._view.controls.asks_as(before):
            self._next = 0.0
        return True

    def _ask_in_time(self) -> None:
        now, controls = time.monotonic(), self._view.controls
        if self._asking.busy or now < self._next or (controls.paused and self._next):
            return
        limit = rows_in(self._terminal.console.size.height)
        self._asked, self._next = now, now + self._interval_s
        self._asking.ask(Top(limit=limit, order=controls.order, text=controls.text))

    def _heard(self) -> None:
        try:
            sample = self._asking.answer()
        except CommandError as error:
            return self._unheard(str(error))
        if sample is not None:
            rates = between(self._view.sample, sample)
            self._view = replace(self._view, sample=sample, rates=rates, trouble="")
            self._gone_since = 0.0
            self._next = max(self._next, time.monotonic() + self._interval_s) if self._next else 0.0

    def _unheard(self, why: str) -> None:
        self._gone_since = self._gone_since or time.monotonic()
        gone = duration(int((time.monotonic() - self._gone_since) * 1e9))
        self._view = replace(self._view, trouble=f"{why}; waiting for it, for {gone}")
