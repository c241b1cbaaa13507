# SPDX-License-Identifier: Apache-2.0
"""One call of 'top' on a terminal, from the first answer until it is left for good."""

from __future__ import annotations

import io
import os
import signal
import sys
from functools import partial
from pathlib import Path

from rich.console import Console

from tlshub_core.control.requests import Top
from tlshub_core.top.asking import Asking
from tlshub_core.top.controls import Controls
from tlshub_core.top.live import LiveView
from tlshub_core.top.sample import take
from tlshub_core.top.screen import View
from tlshub_core.top.terminal import Bell, Terminal


def watch(path: Path, request: Top, interval_s: float) -> int:
    """The signal that ended it, 0 for a key. Raises CommandError where no agent answers at first.

    Stopped (^Z) it gives the terminal back, and takes it again when it goes on.
    """
    first, bell = take(path, request), Bell()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a process may call itself what this terminal cannot show
    view = View(sample=first, rates=None, controls=Controls(order=request.order, text=request.text))
    live = LiveView(view, Asking(partial(take, path), bell.ring), Terminal(bell, Console()), interval_s)
    while (number := live.run()) == signal.SIGTSTP:
        os.kill(os.getpid(), signal.SIGSTOP)
    return number
