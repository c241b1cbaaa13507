# SPDX-License-Identifier: Apache-2.0
"""Asking the agent while keys are heard: in a thread of its own, which is waited for by nobody."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future

from tlshub_core.control.requests import Top
from tlshub_core.top.sample import Sample


class Asking:
    """One question at a time; `ring` is called when its answer is there."""

    def __init__(self, take: Callable[[Top], Sample], ring: Callable[[], None]) -> None:
        self._take, self._ring = take, ring
        self._future: Future[Sample] | None = None

    @property
    def busy(self) -> bool:
        """Whether an answer is awaited, or was not taken yet."""
        return self._future is not None

    def ask(self, request: Top) -> None:
        """Begin. The thread ends with the process, so that an agent that hangs keeps nobody from leaving."""
        future = self._future = Future[Sample]()
        threading.Thread(target=self._work, args=(future, request), daemon=True).start()

    def _work(self, future: Future[Sample], request: Top) -> None:
        try:
            future.set_result(self._take(request))
        except BaseException as error:  # noqa: BLE001 - raised again where the answer is taken
            future.set_exception(error)
        self._ring()

    def answer(self) -> Sample | None:
        """The answer, None while there is none; raises what asking raised."""
        if self._future is None or not self._future.done():
            return None
        future, self._future = self._future, None
        return future.result()
