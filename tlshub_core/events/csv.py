# SPDX-License-Identifier: Apache-2.0
"""Event sink 'csv': a row for each connection, at its end, for spreadsheets and for what reads tables."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from tlshub_core.api import Event, EventSinkSpec, events, hookimpl
from tlshub_core.events.connection import Connection
from tlshub_core.events.output import Output
from tlshub_core.events.recent import LIMIT, Recent
from tlshub_core.events.row import COLUMNS, row


class CsvConfig(BaseModel):
    """Options of the sink."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Path
    """Appended to; made, with a line of column names, where it is not there."""


class CsvSink:
    """Writes a row (RFC 4180, but for its line ends: LF) when a connection is closed, in UTF-8.

    Those that are open when the sink ends, or that had to make room, get theirs without what their end would tell; a
    refusal without a flow gets its own. The file begins with the names of the columns: `row.COLUMNS`. Raises OSError
    where it cannot be written, and ValueError where it has other columns.
    """

    def __init__(self, config: CsvConfig, limit: int = LIMIT) -> None:
        self._output = Output(config.path, _lines([COLUMNS]))
        self._connections = Recent(Connection, limit=limit, forgotten=self._unfinished)
        self._rows: list[Sequence[str]] = []
        self._clock_ns = 0

    def open(self) -> None:
        """Make the file, or open it where it ends."""
        self._output.open()

    def write(self, events: Sequence[Event]) -> None:
        """Write the rows of connections that the events end, in one piece."""
        # Events count from boot; the clock may be set while the agent runs.
        self._clock_ns = time.time_ns() - time.monotonic_ns()
        for event in events:
            self._take(event)
        self._flush()

    def close(self) -> None:
        """Write what is left, and close the file; may be called again."""
        for connection in self._connections.end_all():
            self._unfinished(connection)
        self._flush()
        self._output.close()

    def _take(self, event: Event) -> None:
        match event:
            case events.Closed():
                self._rows.append(row(self._connections.end(event.flow), event, self._clock_ns))
            case events.Connecting() | events.TakenOver() | events.Owned() | events.KeysAsked() | events.KeysReady():
                self._connections.of(event.flow).add(event)
            case events.Secured() | events.ReleasedClear() | events.Refused():
                connection = self._connections.of(event.flow)
                connection.add(event)
                if event.flow is None:  # nobody saw it, and nobody will tell of its end
                    self._unfinished(connection)

    def _unfinished(self, connection: Connection) -> None:
        self._rows.append(row(connection, None, self._clock_ns))

    def _flush(self) -> None:
        rows, self._rows = self._rows, []
        if rows:
            self._output.write(_lines(rows))


def _lines(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


@hookimpl
def tlshub_event_sinks() -> Iterator[EventSinkSpec]:
    """Describe the sink."""
    yield EventSinkSpec(name="csv", summary="a row per connection in a file", config=CsvConfig, factory=CsvSink)
