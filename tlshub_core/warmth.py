# SPDX-License-Identifier: Apache-2.0
"""To which peers a SYN may go before anything is agreed: where every provider that may serve it says so."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection

from tlshub_core.types.flow import Address


class Warmth:
    """`tell` hears of each change.

    The programs hold a SYN, or not, before the agent knows of the connection and so of its provider; and a provider
    may rely on it: one that agrees without asking the peer's agent must have its keys before the peer sees a SYN.
    """

    def __init__(self, tell: Callable[[Address, bool], None]) -> None:
        self._tell = tell
        self._ready: defaultdict[str, set[Address]] = defaultdict(set)
        self._serving: frozenset[str] = frozenset()
        self._warm: set[Address] = set()

    def say(self, provider: str, address: Address, up: bool) -> None:
        """That provider is ready to agree with the agent at that address at once, or is no more."""
        (self._ready[provider].add if up else self._ready[provider].discard)(address)
        self._update()

    def serve(self, providers: Collection[str]) -> None:
        """New connections are served by these from now on."""
        self._serving = frozenset(providers)
        self._update()

    def _update(self) -> None:
        ready = [self._ready[name] for name in self._serving]
        now = set.intersection(*ready) if ready else set()
        before, self._warm = self._warm, now
        for address in before - now:
            self._tell(address, False)
        for address in now - before:
            self._tell(address, True)
