# SPDX-License-Identifier: Apache-2.0
"""What the agent does all its life: hands the backend's events to the pipeline."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

from tlshub_core.pipeline.capture import Capture
from tlshub_core.types.interfaces import CaptureBackend


async def feed(backend: CaptureBackend, capture: Capture, until: Coroutine[None, None, None]) -> None:
    """While that runs; raises what the backend does."""
    feeding = asyncio.create_task(_feed(backend, capture))
    stopping = asyncio.create_task(until)
    done, _ = await asyncio.wait((feeding, stopping), return_when=asyncio.FIRST_COMPLETED)
    feeding.cancel()
    stopping.cancel()
    if feeding in done:
        feeding.result()


async def _feed(backend: CaptureBackend, capture: Capture) -> None:
    async for batch in backend.events():
        capture.handle(batch)
