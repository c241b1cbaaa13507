# SPDX-License-Identifier: Apache-2.0
"""An application in a process of its own: a function that runs in a fork, there at once where Python is slow."""

from __future__ import annotations

import faulthandler
import os
import signal
import tempfile
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")
Say = Callable[[object], None]
PATIENCE_S = 60.0


class Failed(AssertionError):
    """The application raised, ended or hung; the message is its trace."""


class Job(Generic[T]):
    """One such process; what it says on its way is heard in order, and then its result."""

    def __init__(self, pid: int, pipe: Connection, trace: Path) -> None:
        self.pid, self._pipe, self._trace = pid, pipe, trace
        self._running = True

    def heard(self, timeout: float = PATIENCE_S) -> object:
        """What the application said next; raises Failed."""
        kind, value = self._next(timeout)
        if kind != "said":
            raise Failed(f"the application ended with {value!r} where it had to say something")
        return value

    def result(self, timeout: float = PATIENCE_S) -> T:
        """What the function returned; raises Failed with its trace, also where it does not end."""
        while (received := self._next(timeout))[0] == "said":
            continue
        self.reap()
        return received[1]

    def _next(self, timeout: float) -> tuple[str, T]:
        if not self._pipe.poll(timeout):
            raise Failed(f"the application hangs after {timeout} s:\n{self._stack()}")
        try:
            kind, value = self._pipe.recv()
        except EOFError:
            raise Failed(f"the application ended without a word, status {self.reap()}") from None
        if kind == "failed":
            self.reap()
            raise Failed(f"in the application:\n{value}")
        return kind, value

    def _stack(self) -> str:
        os.kill(self.pid, signal.SIGUSR1)
        time.sleep(1)
        stack = self._trace.read_text()
        self.kill()
        return stack

    def kill(self, number: int = signal.SIGKILL) -> None:
        """End it, if it still runs, and wait for its end."""
        if self._running:
            os.kill(self.pid, number)
            self.reap()

    def reap(self) -> int:
        """Wait for its end; its wait status, 0 where that was taken already."""
        if not self._running:
            return 0
        self._running = False
        self._pipe.close()
        self._trace.unlink()
        return os.waitpid(self.pid, 0)[1]


def fork(enter: Callable[[], None], function: Callable[[Say], T]) -> Job[T]:
    """Run `function` in a child, which first calls `enter` to be where it belongs."""
    ours, theirs = Pipe(duplex=False)
    file, trace = tempfile.mkstemp(prefix="lab-job-")
    os.close(file)
    pid = os.fork()
    if pid == 0:
        ours.close()
        _child(theirs, Path(trace), enter, function)
    theirs.close()
    return Job(pid, ours, Path(trace))


def _child(pipe: Connection, trace: Path, enter: Callable[[], None], function: Callable[[Say], T]) -> None:
    try:
        with trace.open("w") as file:
            faulthandler.register(signal.SIGUSR1, file)
            enter()
            pipe.send(("done", function(lambda value: pipe.send(("said", value)))))
    except BaseException:  # noqa: BLE001 - told to the test, which fails with it
        pipe.send(("failed", traceback.format_exc()))
    finally:
        os._exit(0)
