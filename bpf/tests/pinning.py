# SPDX-License-Identifier: Apache-2.0
"""A folder on a BPF file system of a test's own, and the part of the programs that any kernel takes, pinned in it.

That part is `sockops`: it marks and enters what the rules name; nothing is held where there is no gate.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tlshub_capture_bpf.backend import LibbpfBackend
from tlshub_capture_bpf.libbpf import Libbpf
from tlshub_capture_bpf.pins import Pins

from tlshub_core.api import CaptureSettings, RuleSet
from tlshub_core.testing.backend_harness import settings_for
from tlshub_core.testing.cgroup import own_cgroup


@contextlib.contextmanager
def own_bpffs(folder: Path) -> Iterator[Path]:
    """`folder` as a BPF file system; skips where none can be mounted."""
    if os.geteuid() != 0:
        pytest.skip("needs root: to mount a BPF file system")
    done = subprocess.run(["mount", "-t", "bpf", "bpf", folder], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no BPF file system can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.fixture
def here(tmp_path: Path, compiled: Path) -> Iterator[CaptureSettings]:
    """Settings with a cgroup and pins of the test's own."""
    (tmp_path / "bpf").mkdir()
    with own_bpffs(tmp_path / "bpf") as mounted, own_cgroup() as cgroup:
        yield settings(cgroup, mounted / "pins")


def settings(cgroup: Path, pins: Path) -> CaptureSettings:
    """Those of conformance, with these."""
    return replace(settings_for(cgroup), pins=pins)


def begin(backend: LibbpfBackend, rules: RuleSet, here: CaptureSettings, library: Libbpf | None = None) -> None:
    """What `attach` does, without the gate."""
    backend._libbpf = library or Libbpf()
    backend._pins = Pins(backend._libbpf, here.pins)
    backend._load(backend._libbpf, rules, here)
    backend._attached = True


@contextlib.asynccontextmanager
async def running(rules: RuleSet, here: CaptureSettings, path: str = "") -> AsyncIterator[LibbpfBackend]:
    """A backend at work, which lets go in the end as an agent does that is stopped."""
    backend = LibbpfBackend(path)
    try:
        begin(backend, rules, here)
        yield backend
    finally:
        await backend.detach(unpin=False)
