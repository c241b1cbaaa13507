# SPDX-License-Identifier: Apache-2.0
"""A mapping source over a list, for tests of what uses a mapping."""

from __future__ import annotations

from collections.abc import Sequence

from tlshub_core.types.flow import Address, Pod
from tlshub_core.types.interfaces import Level, Probe


class MemoryMapping:
    """Knows the pods it was made with; a pod with two addresses is two entries of one name."""

    def __init__(self, pods: Sequence[Pod] = ()) -> None:
        self._pods = tuple(pods)

    async def start(self) -> None:
        """Nothing to read."""

    async def stop(self) -> None:
        """Nothing to give back."""

    async def reload(self) -> None:
        """Nothing to read again."""

    async def probe(self) -> Probe:
        """How many entries there are."""
        return Probe(level=Level.OK, message=f"{len(self._pods)} entries in memory")

    def by_address(self, address: Address) -> Pod | None:
        """The pod with that address."""
        return next((pod for pod in self._pods if pod.address == address), None)

    def by_name(self, name: str) -> Pod | None:
        """The first entry of that name."""
        return next((pod for pod in self._pods if pod.name == name), None)

    def pods(self) -> Sequence[Pod]:
        """All entries."""
        return self._pods
