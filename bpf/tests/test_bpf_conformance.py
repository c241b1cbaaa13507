# SPDX-License-Identifier: Apache-2.0
"""The backends 'libbpf' and 'bcc' pass what every capture backend must."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest
from tlshub_capture_bpf import perf, tlshub_capture_backends
from tlshub_capture_bpf.options import make, make_bcc

from bpf.tests.releases import BY_PERF, release
from tlshub_core.api import CaptureBackend, Overrun
from tlshub_core.testing import CaptureBackendConformance
from tlshub_core.testing.backend_harness import Witness
from tlshub_core.testing.cgroup import programs_on
from tlshub_core.testing.talker import Talker

SPECS = {spec.name: spec for spec in tlshub_capture_backends()}


def options() -> Mapping[str, str]:
    """Of 'bcc': in the lab, those with which it was compiled for before (lab/bcc); the defaults elsewhere."""
    table: Mapping[str, str] = tomllib.loads(os.environ.get("LAB_BCC", "")).get("plugin", {}).get("bcc", {})
    return table


class _Kernel(CaptureBackendConformance):
    supports = ("installed", "light")

    def test_observing_attaches_nothing_but_sockops(self, cgroup: Path) -> None:
        async def test(_: object) -> None:
            assert programs_on(cgroup) == 1

        self.run(cgroup, test)


@pytest.mark.usefixtures("compiled")
class TestLibbpf(_Kernel):
    spec = SPECS["libbpf"]


@pytest.fixture(scope="session")
def by_perf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of 'libbpf', compiled with perf buffers."""
    return release(tmp_path_factory.mktemp("perf") / "release", BY_PERF)


class TestByPerf(_Kernel):
    """The programs of 'libbpf' with the buffers of 'bcc' on kernels that have no ring buffer."""

    spec = SPECS["libbpf"]

    @pytest.fixture(autouse=True)
    def _build(self, by_perf: Path) -> None:
        self.object = by_perf

    def make(self) -> CaptureBackend:
        """With these programs."""
        return make(self.spec.config(object=str(self.object)))

    def test_what_a_full_buffer_loses_is_counted(self, cgroup: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(perf, "PAGES", 1)
        talker = Talker(cgroup)

        async def test(witness: Witness) -> None:
            talker.tell("churn 50")
            assert talker.answer() == "churned"  # and nobody listened meanwhile
            (overrun, *more) = await witness.until(Overrun, 1)
            told = [event for event in witness.events if not isinstance(event, Overrun)]
            assert not more and overrun.lost + len(told) == 50 * 6, "seen, established and closed, at both ends"

        try:
            self.run(cgroup, test)
        finally:
            talker.end()


class TestBcc(_Kernel):
    """Skipped, with what the probe says, where the headers of the kernel that runs are not installed."""

    spec = SPECS["bcc"]

    events = ""

    def make(self) -> CaptureBackend:
        """What it compiles is kept for the next test."""
        return make_bcc(self.spec.config(**options(), events=self.events))


class TestBccByPerf(TestBcc):
    """The same, with the buffers of kernels that have no ring buffer."""

    events = "perf"
