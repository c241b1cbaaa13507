# SPDX-License-Identifier: Apache-2.0
"""However 'top' is left, the terminal is as it was: by a key, a signal, a bug, a terminal that hangs up."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.unit.cli.test_cli_ctl import socket
from tests.unit.control.conftest import install, installed
from tests.unit.top.terminal import LEAVE_S, MAIN, SCREEN_OFF, SCREEN_ON, shown

__all__ = ["install", "installed", "socket"]
BUG = "import tlshub_core.top.sample as s; s.between = lambda *_: 1 // 0; import tlshub_core.top.live as l; "
BUG += "l.between = s.between; "


def test_control_c(socket: Path) -> None:
    with shown(socket) as terminal:
        terminal.until("per second")
        terminal.press("\x03")
        assert terminal.left() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_as_it_ends_others(socket: Path, number: signal.Signals) -> None:
    with shown(socket) as terminal:
        terminal.until("per second")
        terminal.process.send_signal(number)
        assert terminal.left() == -number


def test_a_bug_is_said_on_the_terminal_that_was_before(socket: Path) -> None:
    with shown(socket, code=BUG + MAIN) as terminal:
        assert terminal.left() == 1
        _, _, after = terminal.raw.rpartition(SCREEN_OFF)
        assert b"ZeroDivisionError" in after


def test_stopped_it_gives_the_terminal_back_and_goes_on_where_it_was(socket: Path) -> None:
    with shown(socket) as terminal:
        terminal.until("per second")
        terminal.press("s")
        terminal.until("oldest]")
        terminal.press("\x1a")
        _, status = os.waitpid(terminal.process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        terminal.until(lambda: terminal.raw.endswith(SCREEN_OFF))
        terminal.given_back()
        terminal.process.send_signal(signal.SIGCONT)
        terminal.until(lambda: terminal.raw.count(SCREEN_ON) == 2)
        terminal.until("oldest]")
        terminal.press("q")
        assert terminal.left() == 0


def test_a_terminal_that_hangs_up_ends_it(socket: Path) -> None:
    with shown(socket) as terminal:
        terminal.until("per second")
        terminal.hang_up()
        assert terminal.process.wait(LEAVE_S) != 0
