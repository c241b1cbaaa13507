# SPDX-License-Identifier: Apache-2.0
"""The capture backend: the configured one, or with 'auto' the best that works and holds; and its settings."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tlshub_core.chosen import Chosen
from tlshub_core.config import Config
from tlshub_core.plugins import Registry
from tlshub_core.types.capture import CaptureSettings
from tlshub_core.types.errors import Unavailable
from tlshub_core.types.flow import Mode
from tlshub_core.types.interfaces import CaptureBackend, Holds, Level, Probe
from tlshub_core.types.spec import CaptureBackendSpec

MS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tried:
    name: str
    backend: CaptureBackend
    probe: Probe


def candidates(chosen: Chosen, registry: Registry) -> Sequence[CaptureBackendSpec]:
    """The configured one, or all that are installed, the best first."""
    specs = [chosen.backend] if chosen.backend else list(registry.capture_backends())
    return sorted(specs, key=lambda spec: spec.rank)


async def select(
    config: Config, chosen: Chosen, registry: Registry, say: Callable[[str], None]
) -> tuple[str, CaptureBackend]:
    """The backend and its name, not attached yet; raises Unavailable, with every probe's word, where none works."""
    tried = [one async for one in _tried(config, chosen, registry)]
    if works := [one for one in tried if one.probe.level is not Level.FAILED]:
        taken = min(works, key=lambda one: shortfall(one.probe, config))
        before = [f"'{one.name}': {one.probe.message}" for one in tried[: tried.index(taken)]]
        say("Capture backend: " + "; not ".join([f"{taken.name} ({taken.probe.message})", *before]))
        return taken.name, taken.backend
    refusals = [f"'{one.name}': {one.probe.message}: {one.probe.remedy}" for one in tried]
    if chosen.backend:
        raise Unavailable(f"the capture backend {refusals[0].replace(': ', ' does not work: ', 1)}")
    raise Unavailable("no capture backend works: " + ("; ".join(refusals) or "none is installed"))


def shortfall(probe: Probe, config: Config) -> Holds:
    """What a backend that works leaves to be wished of the hold, which counts where a rule holds connections."""
    return probe.holds if any(rule.mode > Mode.OBSERVE for rule in config.rules) else Holds.WELL


async def _tried(config: Config, chosen: Chosen, registry: Registry) -> AsyncIterator[_Tried]:
    """The candidates in their order, up to the first that leaves nothing to be wished."""
    for spec in candidates(chosen, registry):
        backend = config.make(spec)
        probe = await backend.probe()
        yield _Tried(name=spec.name, backend=backend, probe=probe)
        if probe.level is not Level.FAILED and shortfall(probe, config) is Holds.WELL:
            return


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
