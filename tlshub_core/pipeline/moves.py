# SPDX-License-Identifier: Apache-2.0
"""The states through which the agent takes a flow on its way to KTLS; each move is a compare-and-swap in the kernel."""

from __future__ import annotations

import time

from tlshub_core.types.capture import NOBODY_WAITS_NS, State
from tlshub_core.types.errors import Reason, Unavailable
from tlshub_core.types.interfaces import CaptureBackend

CONNECT_PATIENCE_NS = 300_000_000_000  # longer than TCP itself tries to connect or to be accepted


class Moves:
    """Of one flow; those that the way goes on after raise Unavailable where the flow went another one meanwhile."""

    def __init__(self, backend: CaptureBackend, cookie: int, gate_ns: int) -> None:
        self._backend, self._cookie, self._gate_ns = backend, cookie, gate_ns

    def arm(self, *, awaited: bool) -> None:
        """Keys are certain: from here on a SYN may go, and the flow may only become KTLS or be refused.

        `awaited`: its program can make calls into the socket by now, which wait for the install.
        """
        deadline = time.monotonic_ns() + (self._gate_ns if awaited else CONNECT_PATIENCE_NS)
        for state in (State.ASKED, State.NEW):
            before = self._backend.move(self._cookie, state, State.ARMED, deadline)
            if before is state:
                return
        raise _gone(before)

    def nobody_waits(self) -> None:
        """Nobody is known to have the descriptor: the gate's deadline begins with the next call."""
        self._backend.move(self._cookie, State.ARMED, State.ARMED, NOBODY_WAITS_NS)

    def install(self) -> None:
        """Keys go into the socket next."""
        deadline = time.monotonic_ns() + self._gate_ns
        before = self._backend.move(self._cookie, State.ARMED, State.INSTALLING, deadline)
        if before is not State.ARMED:
            raise _gone(before)

    def open(self) -> None:
        """Keys are in the socket; the gate does it too, with the first call that passes."""
        before = self._backend.move(self._cookie, State.INSTALLING, State.OPEN)
        if before not in (State.INSTALLING, State.OPEN):
            raise _gone(before)


def _gone(before: State | None) -> Unavailable:
    if before is None:
        return Unavailable("the connection is closed", Reason.CLOSED)
    return Unavailable(f"the flow is already '{before.name.lower()}'", Reason.DEADLINE)
