# SPDX-License-Identifier: Apache-2.0
"""Each decision of the programs is told once: by its event or, where the ring was full, with others by their number."""

from __future__ import annotations

from pathlib import Path

import pytest
from tlshub_capture_bpf import tlshub_capture_backends
from tlshub_capture_bpf.backend import LibbpfBackend

from bpf.tests.releases import release
from bpf.tests.test_bpf_guard import PAST, sweeper_of
from bpf.tests.test_bpf_leave import backend_of
from tlshub_core.api import CaptureBackend, FlowDecided, FlowSeen, Mode, Overrun, Reason, State, Unaccounted
from tlshub_core.testing.backend_harness import BackendHarness, Witness
from tlshub_core.testing.matching import row, rule_set
from tlshub_core.testing.talker import Talker

SMALL = {"ring.bpf.h": {"1 << 22": "1 << 12"}}
RULES = rule_set([row(Mode.REQUIRE)])
CONNECTIONS = 60


@pytest.mark.usefixtures("compiled")
class TestSmallRing(BackendHarness):
    spec = next(iter(tlshub_capture_backends()))

    @pytest.fixture(autouse=True)
    def _build(self, tmp_path: Path) -> None:
        self.object = release(tmp_path / "small", SMALL)

    def make(self) -> CaptureBackend:
        return LibbpfBackend(str(self.object))

    def test_an_overrun_loses_events_and_no_decision(self, cgroup: Path, talker: Talker) -> None:
        async def test(witness: Witness) -> None:
            backend = backend_of(witness, RULES)
            for _ in range(CONNECTIONS):
                talker.open(1, 1)
            rows = backend.flows()
            assert len(rows) == 2 * CONNECTIONS
            for kept in rows:
                backend.move(kept.seen.cookie, State.NEW, State.NEW, PAST)
            sweeper = sweeper_of(backend)
            assert sum(len(sweeper.sweep(False) or []) for _ in range(3)) == 2 * CONNECTIONS
            await witness.until(Overrun, 1)
            assert len(witness.of(FlowSeen)) < 2 * CONNECTIONS
            (lost,) = witness.of(Unaccounted)
            assert lost.refused + len(witness.of(FlowDecided)) == 2 * CONNECTIONS and lost.released == 0
            await self.told_again(witness, backend, talker)

        self.run(cgroup, test)

    async def told_again(self, witness: Witness, backend: LibbpfBackend, talker: Talker) -> None:
        """After the ring was read, decisions are told by their events again."""
        before = len(witness.of(FlowDecided)), len(witness.of(FlowSeen))
        talker.open(1, 1)
        for flow in (await witness.until(FlowSeen, before[1] + 2))[before[1] :]:
            backend.move(flow.cookie, State.NEW, State.NEW, PAST)
        sweeper_of(backend).sweep(False)
        told = await witness.until(FlowDecided, before[0] + 2)
        assert [one.reason for one in told[before[0] :]] == [Reason.DEADLINE] * 2
        assert backend._hearing.tally.settle() is None and len(witness.of(Unaccounted)) == 1
