# SPDX-License-Identifier: Apache-2.0
"""Which capture backend: the configured one, or with 'auto' the best whose probe succeeds."""

from __future__ import annotations

from collections.abc import Callable

from tlshub_core.chosen import Chosen
from tlshub_core.config import Config
from tlshub_core.plugins import Registry
from tlshub_core.types.errors import Unavailable
from tlshub_core.types.interfaces import CaptureBackend, Level


async def select(config: Config, chosen: Chosen, registry: Registry, say: Callable[[str], None]) -> CaptureBackend:
    """The backend, not attached yet; raises Unavailable, with every probe's word, where none works."""
    specs = [chosen.backend] if chosen.backend else list(registry.capture_backends())
    refusals = []
    for spec in sorted(specs, key=lambda spec: spec.rank):
        backend = config.make(spec)
        probe = await backend.probe()
        if probe.level is not Level.FAILED:
            say(f"Capture backend: {spec.name} ({probe.message})")
            return backend
        refusals.append(f"'{spec.name}': {probe.message}: {probe.remedy}")
    raise Unavailable("no capture backend works: " + ("; ".join(refusals) or "none is installed"))
