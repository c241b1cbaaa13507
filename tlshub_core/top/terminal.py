# SPDX-License-Identifier: Apache-2.0
"""The terminal, lent: whatever happens meanwhile, it is given back as it was."""

from __future__ import annotations

import codecs
import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from rich.console import Console, RenderableType
from rich.live import Live

CAUGHT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGWINCH, signal.SIGTSTP)


class Bell:
    """Wakes whoever waits: signals ring it with their number, others with 0. Raises OSError where no pipe is left."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def ring(self) -> None:
        """From any thread."""
        with suppress(BlockingIOError):  # it rings already
            os.write(self._write, b"\0")

    def heard(self) -> bytes:
        """What rang since it was asked last."""
        with suppress(BlockingIOError):
            return os.read(self._read, 4096)
        return b""

    def fileno(self) -> int:
        """To wait for."""
        return self._read

    @contextmanager
    def signals(self) -> Iterator[None]:
        """Meanwhile those that are caught do nothing but ring."""
        wakeup = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        before = [(number, signal.signal(number, _nothing)) for number in CAUGHT]
        try:
            yield
        finally:
            for number, handler in before:
                signal.signal(number, handler)
            signal.set_wakeup_fd(wakeup)


def _nothing(_number: int, _frame: object) -> None:
    """Python tells the bell."""


class Terminal:
    """Keys one by one, a screen of its own, and the bell."""

    def __init__(self, bell: Bell, console: Console) -> None:
        self._bell, self.console, self._stdin = bell, console, sys.stdin.fileno()
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="ignore")
        self._live = self._new()

    @contextmanager
    def lent(self) -> Iterator[None]:
        """For as long as the block runs."""
        with ExitStack() as stack:
            stack.enter_context(self._bell.signals())
            before = termios.tcgetattr(self._stdin)
            stack.callback(termios.tcsetattr, self._stdin, termios.TCSADRAIN, before)
            tty.setcbreak(self._stdin)
            self._live = stack.enter_context(self._new())
            yield

    def _new(self) -> Live:
        return Live(console=self.console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)

    def show(self, what: RenderableType) -> None:
        """Instead of what is shown."""
        self._live.update(what, refresh=True)

    def wait(self, seconds: float | None) -> tuple[str, bytes]:
        """What was typed, and what rang; both are empty when the time is over. Raises EOFError without a terminal."""
        ready, _, _ = select.select((self._stdin, self._bell), (), (), seconds)
        rang = self._bell.heard() if self._bell in ready else b""
        return self._typed() if self._stdin in ready else "", rang

    def _typed(self) -> str:
        data = os.read(self._stdin, 4096)
        if not data:
            raise EOFError("the terminal is gone")
        return self._decoder.decode(data)
