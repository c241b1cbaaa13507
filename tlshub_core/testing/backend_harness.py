# SPDX-License-Identifier: Apache-2.0
"""An attached capture backend, a program in its cgroup, and a witness of its events, for conformance tests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import ClassVar, TypeVar

import pytest

from tlshub_core.testing.cgroup import cgroup_root, own_cgroup
from tlshub_core.testing.conformance import Conformance
from tlshub_core.testing.matching import row, rule_set
from tlshub_core.testing.talker import Talker
from tlshub_core.types.capture import (
    CaptureEvent,
    CaptureSettings,
    RuleSet,
)
from tlshub_core.types.errors import Unavailable
from tlshub_core.types.flow import Mode
from tlshub_core.types.interfaces import CaptureBackend, Level
from tlshub_core.types.spec import CaptureBackendSpec

LIMIT_S = 10.0
OBSERVE = rule_set([row(Mode.OBSERVE)])
E = TypeVar("E", bound=CaptureEvent)


def settings_for(cgroup: Path) -> CaptureSettings:
    """What a backend is attached with in the tests."""
    return CaptureSettings(
        cgroup=cgroup,
        cgroup_root=cgroup_root(),
        pins=Path("/sys/fs/bpf/tlshub-test"),
        table_size=4096,
        handshake_ns=1_000_000_000,
        gate_ns=200_000_000,
        warm_ns=100_000_000,
        peering_port=4646,
    )


class Witness:
    """Keeps all events of a backend, in order."""

    def __init__(self, backend: CaptureBackend) -> None:
        self.backend, self.events = backend, list[CaptureEvent]()
        self._task = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        async for batch in self.backend.events():
            assert batch, "an empty batch wakes the agent for nothing"
            self.events += batch

    def of(self, kind: type[E]) -> list[E]:
        """The events of that type."""
        return [event for event in self.events if isinstance(event, kind)]

    async def until(self, kind: type[E], count: int) -> list[E]:
        """The events of that type, once there are so many; raises TimeoutError."""
        async with asyncio.timeout(LIMIT_S):
            while len(self.of(kind)) < count:  # noqa: ASYNC110 - the backend's own iterator is what is tested
                await asyncio.sleep(0.01)
        return self.of(kind)

    async def end(self) -> None:
        """Stop watching."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


class BackendHarness(Conformance):
    """What the tests of one backend share."""

    spec: ClassVar[CaptureBackendSpec]

    @pytest.fixture
    def cgroup(self) -> Iterator[Path]:
        """A cgroup for one test."""
        with own_cgroup() as path:
            yield path

    @pytest.fixture
    def talker(self, cgroup: Path) -> Iterator[Talker]:
        """A program in it."""
        talker = Talker(cgroup)
        yield talker
        talker.end()

    def make(self) -> CaptureBackend:
        """A backend with default options."""
        backend: CaptureBackend = self.spec.factory(self.spec.config())
        return backend

    async def attach(self, cgroup: Path, rules: RuleSet = OBSERVE) -> CaptureBackend:
        """A backend that is attached; skips where the machine has not what it needs."""
        backend = self.make()
        probe = await backend.probe()
        if probe.level is Level.FAILED:
            pytest.skip(f"backend '{self.spec.name}' does not work here: {probe.message}")
        try:
            await backend.attach(rules, settings_for(cgroup))
        except Unavailable as error:
            await backend.detach(unpin=True)
            pytest.skip(f"this machine does not let '{self.spec.name}' load its programs: {error}")
        return backend

    def run(self, cgroup: Path, test: Callable[[Witness], Awaitable[None]], rules: RuleSet = OBSERVE) -> None:
        """One test with an attached backend, which is detached at its end."""

        async def attached() -> None:
            backend = await self.attach(cgroup, rules)
            witness = Witness(backend)
            try:
                await test(witness)
            finally:
                await witness.end()
                await backend.detach(unpin=True)

        asyncio.run(attached())
