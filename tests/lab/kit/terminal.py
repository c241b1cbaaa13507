# SPDX-License-Identifier: Apache-2.0
"""A terminal with a command of a node on it, typed at as a person would."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.lab.kit.node import Node

PATIENCE_S = 40.0


class Terminal:
    """What was typed and said, in order; reading goes on where it ended."""

    def __init__(self, master: int) -> None:
        self._master = master
        self.said = ""
        self._at = 0

    def type(self, keys: str) -> None:
        """Type; Ctrl-Z is a key like any other."""
        os.write(self._master, keys.encode())

    def until(self, wanted: str, timeout: float = PATIENCE_S) -> str:
        """Read until that is said, from where the last such reading ended; what was said up to there.

        Raises AssertionError where it is not said in time.
        """
        deadline, begin = time.monotonic() + timeout, self._at
        while (found := self.said.find(wanted, begin)) < 0:
            ready, _, _ = select.select([self._master], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"the terminal does not say '{wanted}':\n{self.said}"
            self.said += os.read(self._master, 65536).decode(errors="replace")
        self._at = found + len(wanted)
        return self.said[begin : self._at]


@contextmanager
def terminal(node: Node, words: Sequence[str]) -> Iterator[Terminal]:
    """A terminal that is the controlling one of that command; both end with the block."""
    master, slave = pty.openpty()
    command = ["setsid", "--ctty", "--wait", "on", node.name, *words]
    running = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    try:
        yield Terminal(master)
    finally:
        os.close(master)  # a hang-up, which ends a shell and its jobs
        running.wait(PATIENCE_S)
