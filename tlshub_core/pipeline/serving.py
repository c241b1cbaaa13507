# SPDX-License-Identifier: Apache-2.0
"""The key providers that run, which of them serves new flows, and which a peer may ask for."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass

from tlshub_core.types.interfaces import AcceptingTogether, KeyProvider
from tlshub_core.types.spec import KeyProviderSpec

REMEMBERED = 64  # switches; an event of the kernel is read within moments


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A started provider; those of one `group` accept together, a group of its own has its name."""

    spec: KeyProviderSpec
    provider: KeyProvider
    group: str

    @classmethod
    def of(cls, spec: KeyProviderSpec, provider: KeyProvider) -> Running:
        """With its group looked up: once, not for each flow."""
        group = provider.accepting if isinstance(provider, AcceptingTogether) else spec.name
        return cls(spec=spec, provider=provider, group=group)


class Serving:
    """Started providers by name, in the order of their start; each stays, for the flows that it began.

    The default serves flows whose rule names none: each the one of the moment at which it began in the kernel, whose
    programs may have let its SYN go because of it.
    """

    def __init__(self, default: str) -> None:
        self.running: dict[str, Running] = {}
        self._defaults = {default}
        self._since = deque([(0, default)], maxlen=REMEMBERED)

    @property
    def default(self) -> str:
        """The one now."""
        return self._since[-1][1]

    def switch(self, name: str) -> None:
        """Make it the default of flows that begin from now on."""
        self._defaults.add(name)
        self._since.append((time.monotonic_ns(), name))

    def default_at(self, time_ns: int) -> str:
        """The default of that moment (CLOCK_MONOTONIC), or the oldest that is remembered."""
        since, name = self._since[-1]
        if since <= time_ns:
            return name
        return next((name for since, name in reversed(self._since) if since <= time_ns), self._since[0][1])

    def accepting(self, default: str, allowed: Callable[[], Collection[str]]) -> tuple[str, ...]:
        """Who waits for an accepted connection: the default one, and every other that a peer may ask for.

        One is enough of those that accept together, and these look themselves at what a peer may ask for.
        """
        if len(self.running) == 1:
            return (default,)
        found, names = {self.running[default].group: default}, allowed()
        for name, running in self.running.items():
            if name in names or running.group != name:
                found.setdefault(running.group, name)
        return tuple(found.values())

    def allowed(self, named: Collection[str] | None) -> frozenset[str]:
        """What a peer may ask for: what the operator named, else everything that has been the default here.

        A peer may be switched a moment later than this node, and its flows must not be lost meanwhile.
        """
        return frozenset(named or self._defaults)
