# SPDX-License-Identifier: Apache-2.0
"""What every connection uses."""

from __future__ import annotations

from dataclasses import dataclass, field

from tlshub_core.pipeline.heirs import Heirs
from tlshub_core.pipeline.keylog import KeyLog
from tlshub_core.pipeline.keys import Keys
from tlshub_core.pipeline.sockdiag import Destroyer
from tlshub_core.pipeline.turns import Turns
from tlshub_core.promises import Promises
from tlshub_core.types.interfaces import AgentContext, CaptureBackend


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """The parts of the agent; how long an installation may take, and how long a client may be quiet.

    `close_worn`: a connection ends when one of its keys has protected as much as it should.
    """

    agent: AgentContext
    backend: CaptureBackend
    keys: Keys
    promises: Promises
    gate_ns: int
    keylog: KeyLog | None = None
    patience_ns: int = 200_000_000
    close_worn: bool = False
    heirs: Heirs = field(default_factory=Heirs)
    turns: Turns = field(default_factory=Turns)
    destroyer: Destroyer = field(default_factory=Destroyer)
