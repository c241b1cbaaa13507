# SPDX-License-Identifier: Apache-2.0
"""'tlshub-capture top' on a terminal of its own: what it shows, and what it leaves behind."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pyte

MAIN = "from tlshub_core.cli.main import main; main()"
LEAVE_S, PATIENCE_S = 30.0, 120.0  # an emulated machine takes long to start it
NOTHING: Mapping[str, str] = {}
SCREEN_ON, SCREEN_OFF = b"\x1b[?1049h", b"\x1b[?1049l"
CURSOR_OFF, CURSOR_ON = b"\x1b[?25l", b"\x1b[?25h"


class Shown:
    """The process and its terminal; `raw` is all that it ever wrote."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], size: tuple[int, int]) -> None:
        self._ours, self._theirs = pty.openpty()
        self.raw, self._screen = b"", pyte.Screen(*size)
        self._stream = pyte.ByteStream(self._screen)
        self.resize(*size)
        self._before = termios.tcgetattr(self._theirs)
        inherited = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES", "NO_COLOR")}
        self.process = subprocess.Popen(
            command,
            stdin=self._theirs,
            stdout=self._theirs,
            stderr=self._theirs,
            start_new_session=True,
            preexec_fn=self._control,
            env={**inherited, "TERM": "xterm", **environment},
        )

    def _control(self) -> None:
        """^C and a resize are for whose terminal it is."""
        fcntl.ioctl(self._theirs, termios.TIOCSCTTY, 0)

    def resize(self, columns: int, rows: int) -> None:
        """As a window that is dragged."""
        self._screen.resize(rows, columns)
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def press(self, text: str) -> None:
        """Type it."""
        os.write(self._ours, text.encode())

    def lines(self) -> list[str]:
        """The screen now."""
        return [line.rstrip() for line in self._screen.display]

    def text(self) -> str:
        """The same."""
        return "\n".join(self.lines())

    def colours(self, word: str) -> set[str]:
        """Those in which it is shown now, by pyte's names: 'default' where there is none."""
        places = [
            (row, column)
            for row, line in enumerate(self._screen.display)
            for found in re.finditer(word, line)
            for column in range(*found.span())
        ]
        return {self._screen.buffer[row][column].fg for row, column in places}

    def read(self, seconds: float) -> bool:
        """Take what it wrote; false where it wrote nothing in that time."""
        ready, _, _ = select.select((self._ours,), (), (), seconds)
        if not ready:
            return False
        data = b""
        with suppress(OSError):  # nobody has its other end any more
            data = os.read(self._ours, 65536)
        self.raw += data
        self._stream.feed(data)
        return bool(data)

    def until(self, pattern: str | Callable[[], bool]) -> re.Match[str] | None:
        """Wait until the screen has it; it is what was found."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if callable(pattern):
                if pattern():
                    return None
            elif found := re.search(pattern, self.text()):
                return found
            self.read(0.05)
        raise AssertionError(f"not shown: {pattern}; but\n{self.text()}")

    def left(self) -> int:
        """Its exit status, when it is gone; the terminal is as it was before."""
        self.until(lambda: self.process.poll() is not None)
        while self.read(0):
            pass
        self.given_back()
        return self.process.wait(LEAVE_S)

    def given_back(self) -> None:
        """Attributes, screen and cursor are as before."""
        assert termios.tcgetattr(self._theirs) == self._before
        for on, off in ((SCREEN_ON, SCREEN_OFF), (CURSOR_OFF, CURSOR_ON)):
            assert self.raw.rfind(on) <= self.raw.rfind(off), "left on"

    def hang_up(self) -> None:
        """The terminal goes away."""
        os.close(self._ours)
        os.close(self._theirs)
        self._ours = self._theirs = -1

    def close(self) -> None:
        """End it, where it did not end itself."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(LEAVE_S)
        if self._ours >= 0:
            self.hang_up()


@contextmanager
def shown(
    socket: Path,
    *words: str,
    code: str = MAIN,
    size: tuple[int, int] = (80, 24),
    by: Sequence[str] = (),
    environment: Mapping[str, str] = NOTHING,
) -> Iterator[Shown]:
    """Run it, columns by rows; `by` is what it is started by."""
    command = [*by, sys.executable, "-c", code, "top", "--socket", str(socket), "--interval", "0.2", *words]
    terminal = Shown(command, environment, size)
    try:
        yield terminal
    finally:
        terminal.close()
