# SPDX-License-Identifier: Apache-2.0
"""A provider's probe, start and stop: whatever it raises comes out as an error of the contract."""

from __future__ import annotations

import logging

from tlshub_core.pipeline.asked import blamed
from tlshub_core.types.errors import Unavailable
from tlshub_core.types.interfaces import AgentContext, KeyProvider, Level

_log = logging.getLogger("tlshub.providers")


async def probe(name: str, provider: KeyProvider) -> None:
    """Raises Unavailable, with the remedy, where it says that it failed; a warning is logged."""
    with blamed(name):
        found = await provider.probe()
    said = ": ".join(filter(None, (found.message, found.remedy)))
    if found.level is Level.FAILED:
        raise Unavailable(f"provider '{name}' cannot serve: {said}")
    if found.level is Level.WARNING:
        _log.warning("provider '%s': %s", name, said)


async def start(name: str, provider: KeyProvider, agent: AgentContext) -> None:
    """Raises a TlshubError; where it could not start, or was not let to its end, it is stopped."""
    try:
        with blamed(name):
            await provider.start(agent)
    except BaseException:
        await stop(name, provider)
        raise


async def stop(name: str, provider: KeyProvider) -> None:
    """Raises a TlshubError."""
    with blamed(name):
        await provider.stop()
