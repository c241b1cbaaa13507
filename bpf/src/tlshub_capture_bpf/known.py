# SPDX-License-Identifier: Apache-2.0
"""The flow table, and which connection each cookie of it stands for: a socket that connects again keeps its cookie."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from operator import attrgetter

from tlshub_capture_bpf import layout
from tlshub_capture_bpf.kept import kept
from tlshub_capture_bpf.maps import Map
from tlshub_core.api import CaptureEvent, FlowClosed, FlowKept, FlowSeen

_log = logging.getLogger("tlshub.capture")


class Known:
    """The flows whose events were handed over; `table` is None until there is one."""

    def __init__(self) -> None:
        self.table: Map | None = None
        self._born: dict[int, int] = {}

    def born(self, cookie: int) -> int:
        """When the connection began that whoever asks means, 0 where none is known."""
        return self._born.get(cookie, 0)

    def name(self, batch: Sequence[CaptureEvent]) -> None:
        """Keep which connection each cookie stands for; now, so that whoever gets the batch and we agree."""
        for event in batch:
            if isinstance(event, FlowSeen):
                self._born[event.cookie] = event.time_ns
            elif isinstance(event, FlowClosed):
                self._born.pop(event.cookie, None)

    def flows(self) -> Sequence[FlowKept]:
        """All rows, the oldest first."""
        rows = self.table.items(layout.U64.size) if self.table is not None else ()
        found = sorted(filter(None, map(_kept, rows)), key=attrgetter("seen.time_ns"))
        self._born |= {row.seen.cookie: row.seen.time_ns for row in found}
        return found


def _kept(row: tuple[bytes, bytes]) -> FlowKept | None:
    (cookie,) = layout.U64.unpack(row[0])
    try:
        return kept(cookie, row[1])
    except ValueError as error:
        _log.error("connection %d is passed over: %s", cookie, error)
        return None
