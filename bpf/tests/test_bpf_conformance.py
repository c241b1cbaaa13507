# SPDX-License-Identifier: Apache-2.0
"""The backend 'libbpf' passes what every capture backend must."""

from __future__ import annotations

from pathlib import Path

import pytest
from tlshub_capture_bpf import tlshub_capture_backends

from tlshub_core.testing import CaptureBackendConformance


@pytest.mark.usefixtures("compiled")
class TestLibbpf(CaptureBackendConformance):
    spec = next(iter(tlshub_capture_backends()))
    supports = ("installed", "light")

    def test_observing_attaches_nothing_but_sockops(self, cgroup: Path) -> None:
        from tlshub_core.testing.cgroup import programs_on

        async def test(_: object) -> None:
            assert programs_on(cgroup) == 1

        self.run(cgroup, test)
