# SPDX-License-Identifier: Apache-2.0
"""The real agent, put to sleep between two steps of an install as the file '$LAB_NODES/delays.json' says.

An agent that the scheduler takes the processor from does the same; here the moment and the length are chosen. The file
maps a server's port to a list of [step, side, seconds], of which its connections take one each, round and round; the
sleep comes before the step.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar
from uuid import UUID

from tlshub_core.cli.main import main
from tlshub_core.pipeline import connection, ending, ktls, owners, release

P = ParamSpec("P")
R = TypeVar("R")
FILE = Path(os.environ["LAB_NODES"]) / "delays.json"


class Delays:
    """Which connection sleeps where; `_now` is the one whose install runs, which nothing of the agent interrupts."""

    def __init__(self) -> None:
        self._count = Counter[int]()
        self._plans: dict[UUID, tuple[str, float]] = {}
        self._now: UUID | None = None

    def begin(self, one: connection.Connection) -> None:
        """A connection has begun: find its plan."""
        port = one.flow.server.port
        plans = json.loads(FILE.read_text()).get(str(port), []) if FILE.exists() else []
        if plans:
            step, side, seconds = plans[self._count[port] % len(plans)]
            self._count[port] += 1
            if side in ("both", one.flow.side.name.lower()):
                self._plans[one.flow.id] = (step, seconds)

    def install(self, one: connection.Connection) -> None:
        """From here on the steps are those of this connection."""
        self._now = one.flow.id
        self.sleep(self._now, "installing")

    def step(self, step: str) -> None:
        """A step of the running install comes next."""
        self.sleep(self._now, step)

    def sleep(self, flow: UUID | None, step: str) -> None:
        """Sleep if the plan of this connection says so."""
        planned, seconds = self._plans.get(flow, ("", 0.0)) if flow else ("", 0.0)
        if planned == step:
            time.sleep(seconds)


def before(first: Callable[..., None], then: Callable[P, R]) -> Callable[P, R]:
    """`then`, with `first` called before it."""

    @wraps(then)
    def both(*args: P.args, **kwargs: P.kwargs) -> R:
        first(*args, **kwargs)
        return then(*args, **kwargs)

    return both


def patch(delays: Delays) -> None:
    """Put the delays between the real steps."""
    one, taking = connection.Connection, owners.Owners
    one.run = before(delays.begin, one.run)  # type: ignore[method-assign]
    one._install = before(lambda self, _keys: delays.install(self), one._install)  # type: ignore[method-assign]
    taking.take = before(lambda self: delays.sleep(self._flow, "descriptor"), taking.take)  # type: ignore[method-assign]
    kernel = {ktls.TLS_TX: "tx", ktls.TLS_RX: "rx"}
    ktls._set = before(lambda _sock, direction, _keys, _one: delays.step(kernel[direction]), ktls._set)
    ktls.install = _around(delays, ktls.install)
    ending.Ending.fail = before(lambda self, _error: delays.sleep(self._flow.id, "failing"), ending.Ending.fail)  # type: ignore[method-assign]
    ending.Ending._cleared = before(lambda self, _why: delays.sleep(self._flow.id, "waking"), ending.Ending._cleared)  # type: ignore[method-assign]
    release.wake_writer = before(lambda _sock: delays.step("wake"), release.wake_writer)


def _around(delays: Delays, install: Callable[P, R]) -> Callable[P, R]:
    def slowly(*args: P.args, **kwargs: P.kwargs) -> R:
        delays.step("ulp")
        times = install(*args, **kwargs)
        delays.step("open")
        return times

    return slowly


if __name__ == "__main__":
    patch(Delays())
    sys.exit(main(prog_name="tlshub-capture"))
