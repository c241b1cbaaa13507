# SPDX-License-Identifier: Apache-2.0
"""The key providers that run, which of them serves new flows, and which a peer may ask for."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from tlshub_core.types.interfaces import KeyProvider
from tlshub_core.types.spec import KeyProviderSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A started provider."""

    spec: KeyProviderSpec
    provider: KeyProvider


class Serving:
    """Started providers by name, in the order of their start; each stays, for the flows that it began.

    `default` serves new flows whose rule names none.
    """

    def __init__(self, default: str) -> None:
        self.running: dict[str, Running] = {}
        self._defaults = [default]

    @property
    def default(self) -> str:
        """The one now."""
        return self._defaults[-1]

    @default.setter
    def default(self, name: str) -> None:
        self._defaults = [*(old for old in self._defaults if old != name), name]

    def allowed(self, named: Collection[str] | None) -> frozenset[str]:
        """What a peer may ask for: what the operator named, else everything that has been the default here.

        A peer may be switched a moment later than this node, and its flows must not be lost meanwhile.
        """
        return frozenset(named or self._defaults)
