# SPDX-License-Identifier: Apache-2.0
"""The conformance tests over a mapping source whose store is a list in memory, and over what is made of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel, ConfigDict

from tlshub_core.api import Address, ConfigError, Level, MappingSourceSpec, Pod, Probe
from tlshub_core.testing import MappingSourceConformance


class Options(BaseModel):
    """The store: a list that can be replaced by None, which cannot be read."""

    model_config = ConfigDict(extra="forbid")

    store: Any


class Source:
    """A mapping source over the list."""

    def __init__(self, options: Options) -> None:
        self.store: list[list[Pod] | None] = options.store
        self.table: list[Pod] = []

    async def start(self) -> None:
        await self.reload()

    async def stop(self) -> None:
        """Nothing to give back."""

    async def probe(self) -> Probe:
        good = self.store[0] is not None
        return Probe(level=Level.OK if good else Level.FAILED, message="asked", remedy="" if good else "mend the store")

    def by_address(self, address: Address) -> Pod | None:
        plain = getattr(address, "ipv4_mapped", None) or address
        return next((pod for pod in self.table if pod.address == plain), None)

    def by_name(self, name: str) -> Pod | None:
        return next((pod for pod in self.table if pod.name == name), None)

    def pods(self) -> Sequence[Pod]:
        return self.table

    async def reload(self) -> None:
        if self.store[0] is None:
            raise ConfigError("cannot be read", file="memory")
        self.table = list(self.store[0])


class Sound(MappingSourceConformance):
    """Breaks nothing; subclasses bring a `Source` that does."""

    Source: ClassVar[type[Source]] = Source
    spec = MappingSourceSpec(name="memory", summary="for tests", config=Options, factory=Source)
    supports = ("addressless",)
    breaks: ClassVar[str] = ""
    also: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        cls.spec = MappingSourceSpec(name="memory", summary="for tests", config=Options, factory=cls.Source)

    @pytest.fixture(autouse=True)
    def _own_store(self) -> None:
        self.store: list[list[Pod] | None] = [None]

    def options(self, folder: Path) -> dict[str, object]:
        return {"store": self.store}

    def write(self, folder: Path, pods: Sequence[Pod]) -> None:
        self.store[0] = list(pods)

    def spoil(self, folder: Path) -> None:
        self.store[0] = None
