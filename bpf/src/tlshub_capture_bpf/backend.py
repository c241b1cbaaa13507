# SPDX-License-Identifier: Apache-2.0
"""The capture backends: what the core asks, told to the programs; which loader brings these is all that differs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from tlshub_capture_bpf import probing
from tlshub_capture_bpf.attaching import Attaching
from tlshub_capture_bpf.configuring import swap
from tlshub_capture_bpf.objects import OBJECT, ObjectLoader
from tlshub_capture_bpf.programs import Hold
from tlshub_core.api import (
    Address,
    CaptureEvent,
    FlowKept,
    Mode,
    Probe,
    Reason,
    RuleSet,
    Side,
    State,
    Tuple4,
    Unsupported,
)
from tlshub_core.types.capture import DECIDED


class KernelBackend(Attaching):
    """Programs in the kernel, whoever compiled them; see `CaptureBackend`."""

    async def events(self) -> AsyncIterator[Sequence[CaptureEvent]]:
        """Batches of events, in the order in which they happened."""
        assert self._hearing is not None
        async for piece in self._hearing.pieces():
            self._known.name(piece)
            self._let_processes_go()
            yield piece

    def flows(self) -> Sequence[FlowKept]:
        """See `CaptureBackend`."""
        return self._known.flows()

    def move(self, cookie: int, expected: State, to: State, deadline_ns: int = 0) -> State | None:
        """See `CaptureBackend`."""
        assert self._moving is not None
        before = self._moving.move(cookie, self._known.born(cookie), expected, to, deadline_ns)
        if to in DECIDED:
            self._let_processes_go()
        return before

    def _let_processes_go(self) -> None:
        if self._stops is not None:
            self._stops.let_go()

    def expect(self, tuple4: Tuple4, deadline_ns: int) -> State | None:
        """See `CaptureBackend`."""
        assert self._verdicts is not None
        return self._verdicts.expect(tuple4, deadline_ns)

    def leave(self, tuple4: Tuple4, deadline_ns: int, reason: Reason = Reason.PASSTHROUGH) -> bool:
        """See `CaptureBackend`."""
        assert self._verdicts is not None
        left = self._verdicts.leave(tuple4, deadline_ns, reason)
        self._look()
        return left

    def match(self, side: Side, remote: Address, port: int) -> tuple[int, Mode]:
        """See `CaptureBackend`."""
        assert self._verdicts is not None
        return self._verdicts.match(side, remote, port)

    def warm(self, address: Address, up: bool) -> None:
        """See `CaptureBackend`."""
        assert self._verdicts is not None
        self._verdicts.warm(address, up)

    def wear(self, records: int) -> None:
        """See `CaptureBackend`."""
        assert self._verdicts is not None
        self._verdicts.wear(records)
        self._look()

    def _look(self) -> None:
        """Where programs that are called cannot wake who listens, what they told is there now."""
        if self._hearing is not None:
            self._hearing.listen()

    def replace(self, rules: RuleSet) -> None:
        """Swap the rules; raises Unsupported where they need the gate and it was not loaded."""
        if not self._gate and any(match.mode > Mode.OBSERVE for match in rules.matches):
            raise Unsupported("the agent started with rules that only observe: restart it to load the gate")
        self._swap(rules)

    def _swap(self, rules: RuleSet) -> None:
        assert self._libbpf is not None and self._programs is not None
        swap(self._libbpf, self._programs, rules)


class LibbpfBackend(KernelBackend):
    """Programs compiled once, loaded by libbpf; `path` is that of another object."""

    def __init__(self, path: str = "", hold: Hold | None = None) -> None:
        self._path = Path(path) if path else OBJECT
        super().__init__(ObjectLoader(self._path), hold)

    async def probe(self) -> Probe:
        """Whether libbpf, BTF and the compiled programs are there."""
        return probing.probe(self._path, self._hold)
