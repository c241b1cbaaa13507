# SPDX-License-Identifier: Apache-2.0
"""What the configured mapping knows, for commands that have no agent."""

from __future__ import annotations

from collections.abc import Sequence

from tlshub_core.config import Config
from tlshub_core.plugins import Registry
from tlshub_core.types.flow import Pod


async def pods(config: Config) -> Sequence[Pod]:
    """All pods of the mapping, read for this once; raises ConfigError, also where none is configured."""
    if config.mapping.source is None:
        raise config.error("no mapping is configured: name one", table="mapping", key="source")
    mapping = config.make(Registry().mapping_source(config.mapping.source))
    await mapping.start()
    try:
        return mapping.pods()
    finally:
        await mapping.stop()
