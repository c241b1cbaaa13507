# SPDX-License-Identifier: Apache-2.0
"""The parts of an agent that commands are about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tlshub_core.control.binding import Caller
from tlshub_core.control.conversation import Send
from tlshub_core.control.ledger import Ledger
from tlshub_core.control.requests import Request
from tlshub_core.events.sinks import Sinks
from tlshub_core.in_force import InForce
from tlshub_core.pipeline.capture import Capture
from tlshub_core.pipeline.serving import Serving
from tlshub_core.providers import Providers
from tlshub_core.reloading import Reloading
from tlshub_core.ruling import Ruling
from tlshub_core.types.interfaces import MappingSource

if TYPE_CHECKING:
    from tlshub_core.control.answers import Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """All that `Commands` reads and changes; `backend` and `programs` are names, `notices` those of the start."""

    backend: str
    programs: tuple[str, ...]
    notices: tuple[str, ...]
    in_force: InForce
    mapping: MappingSource | None
    serving: Serving
    providers: Providers
    ruling: Ruling
    reloading: Reloading
    capture: Capture
    ledger: Ledger
    sinks: Sinks

    async def handle(self, request: Request, caller: Caller, send: Send) -> Answer:
        """Carry out a command; what only commands need is imported with the first of them."""
        from tlshub_core.control.commands import Commands

        return await Commands(self).handle(request, caller, send)
