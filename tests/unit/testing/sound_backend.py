# SPDX-License-Identifier: Apache-2.0
"""The conformance tests over a backend that captures, and over what is put around it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from pydantic import BaseModel

from tlshub_core.api import (
    CaptureBackend,
    CaptureEvent,
)
from tlshub_core.plugins import Registry
from tlshub_core.testing import CaptureBackendConformance

REAL = Registry().capture_backend("libbpf")


class Around:
    """Does what the real one does."""

    def __init__(self, options: BaseModel) -> None:
        self.inner: CaptureBackend = REAL.factory(options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def events(self) -> AsyncIterator[Sequence[CaptureEvent]]:
        async for batch in self.inner.events():
            if kept := [told for event in batch if (told := self.told(event)) is not None]:
                yield kept

    def told(self, event: CaptureEvent) -> CaptureEvent | None:
        """What becomes of an event."""
        return event


class Sound(CaptureBackendConformance):
    """Breaks nothing; subclasses bring a `Backend` that does."""

    Backend: ClassVar[type[Around]] = Around
    spec = REAL
    supports = ("light",)
    slow = True
    breaks: ClassVar[str] = ""
    also: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        cls.spec = replace(REAL, factory=cls.Backend)
