# SPDX-License-Identifier: Apache-2.0
"""The capture backend: the configured one, or with 'auto' the best whose probe succeeds; and its settings."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from tlshub_core.chosen import Chosen
from tlshub_core.config import Config
from tlshub_core.plugins import Registry
from tlshub_core.types.capture import CaptureSettings
from tlshub_core.types.errors import Unavailable
from tlshub_core.types.interfaces import CaptureBackend, Level, Probe
from tlshub_core.types.spec import CaptureBackendSpec

MS = 1_000_000


def candidates(chosen: Chosen, registry: Registry) -> Sequence[CaptureBackendSpec]:
    """The configured one, or all that are installed, the best first."""
    specs = [chosen.backend] if chosen.backend else list(registry.capture_backends())
    return sorted(specs, key=lambda spec: spec.rank)


async def select(
    config: Config, chosen: Chosen, registry: Registry, say: Callable[[str], None]
) -> tuple[str, CaptureBackend]:
    """The backend and its name, not attached yet; raises Unavailable, with every probe's word, where none works."""
    refusals = list[str]()
    for spec in candidates(chosen, registry):
        backend = config.make(spec)
        probe = await backend.probe()
        if probe.level is not Level.FAILED:
            say(f"Capture backend: {choice(spec.name, probe, refusals)}")
            return spec.name, backend
        refusals.append(f"'{spec.name}': {probe.message}: {probe.remedy}")
    if chosen.backend:
        raise Unavailable(f"the capture backend {refusals[0].replace(': ', ' does not work: ', 1)}")
    raise Unavailable("no capture backend works: " + ("; ".join(refusals) or "none is installed"))


def choice(name: str, probe: Probe, refusals: Sequence[str]) -> str:
    """Which backend it is, what it says of itself, and why it is none of those that would come before it."""
    return "; not ".join([f"{name} ({probe.message})", *refusals])


def settings(config: Config) -> CaptureSettings:
    """What the configuration says of holding connections."""
    here = config.capture
    return CaptureSettings(
        cgroup=here.cgroup,
        cgroup_root=_mount_point(here.cgroup),
        pins=here.pins,
        table_size=here.table_size,
        handshake_ns=here.handshake_deadline_ms * MS,
        gate_ns=here.gate_deadline_ms * MS,
        warm_ns=here.warm_ms * MS,
        peering_port=config.peering.port,
    )


def _mount_point(path: Path) -> Path:
    """Where the file system of a folder begins; the depth of a cgroup is counted from there."""
    path = path.resolve()
    while not os.path.ismount(path):
        path = path.parent
    return path
