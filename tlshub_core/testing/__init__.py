# SPDX-License-Identifier: Apache-2.0
"""For tests of plugins: conformance classes of all four kinds, and fakes of what a plugin meets; needs pytest.

What is listed here is imported where it is used first: a test of a sink needs no certificates.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tlshub_core.testing.backend import CaptureBackendConformance
    from tlshub_core.testing.conformance import Conformance, opt_in
    from tlshub_core.testing.deterministic import DeterministicProvider, Meeting, deterministic_spec
    from tlshub_core.testing.engine import TlsEngineConformance
    from tlshub_core.testing.every_event import UNUSUAL, one_of_each
    from tlshub_core.testing.fakes import FakeAgent
    from tlshub_core.testing.mapping import MappingSourceConformance, pod
    from tlshub_core.testing.matching import first_match, row, rule_set
    from tlshub_core.testing.memory import MemoryMapping
    from tlshub_core.testing.memory_backend import MemoryBackend
    from tlshub_core.testing.pair import Pair, agent, flows, free_port, identities
    from tlshub_core.testing.provider import KeyProviderConformance
    from tlshub_core.testing.sink import EventSinkConformance

_HOMES = {
    "backend": ("CaptureBackendConformance",),
    "conformance": ("Conformance", "opt_in"),
    "deterministic": ("DeterministicProvider", "Meeting", "deterministic_spec"),
    "engine": ("TlsEngineConformance",),
    "every_event": ("UNUSUAL", "one_of_each"),
    "fakes": ("FakeAgent",),
    "mapping": ("MappingSourceConformance", "pod"),
    "matching": ("first_match", "row", "rule_set"),
    "memory": ("MemoryMapping",),
    "memory_backend": ("MemoryBackend",),
    "pair": ("Pair", "agent", "flows", "free_port", "identities"),
    "provider": ("KeyProviderConformance",),
    "sink": ("EventSinkConformance",),
}

_ASSERTING = (
    "backend",
    "backend_harness",
    "backend_flows",
    "backend_rules",
    "conformance",
    "ends",
    "engine",
    "engine_files",
    "engine_peers",
    "exchanges",
    "mapping",
    "provider",
    "provider_giving_up",
    "provider_promises",
    "sink",
)

__all__ = [
    "UNUSUAL",
    "CaptureBackendConformance",
    "Conformance",
    "DeterministicProvider",
    "EventSinkConformance",
    "FakeAgent",
    "KeyProviderConformance",
    "MappingSourceConformance",
    "Meeting",
    "MemoryBackend",
    "MemoryMapping",
    "Pair",
    "TlsEngineConformance",
    "agent",
    "deterministic_spec",
    "first_match",
    "flows",
    "free_port",
    "identities",
    "one_of_each",
    "opt_in",
    "pod",
    "row",
    "rule_set",
]

# So that a failed assertion of a conformance class shows its values; without pytest there is nothing to rewrite.
if (_pytest := sys.modules.get("pytest")) is not None:
    _pytest.register_assert_rewrite(*(f"{__name__}.{home}" for home in _ASSERTING))


def __getattr__(name: str) -> object:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module '{__name__}' has no '{name}'; it has {', '.join(__all__)}")
