# SPDX-License-Identifier: Apache-2.0
"""Event sink 'jsonl': every event as one JSON object on a line of a file, for programs to read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from tlshub_core.api import Event, EventSinkSpec, hookimpl
from tlshub_core.events.line import line_of
from tlshub_core.events.output import Output


class JsonlConfig(BaseModel):
    """Options of the sink."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Path
    """Appended to; made where it is not there."""


class JsonlSink:
    """Appends each event as `events.encode` gives it: 'schema', 'event' (its type), then its fields; ASCII.

    `time_ns` is CLOCK_MONOTONIC. Each batch is written at once; raises OSError where the file cannot be written.
    """

    def __init__(self, config: JsonlConfig) -> None:
        self._output = Output(config.path)

    def open(self) -> None:
        """Make the file, or open it where it ends."""
        self._output.open()

    def write(self, events: Sequence[Event]) -> None:
        """Append a line per event."""
        if events:
            self._output.write(b"".join(map(line_of, events)))

    def write_lines(self, lines: Sequence[bytes]) -> None:
        """Append the lines as they came, which are those that `write` would make."""
        self._output.write(b"".join([line + b"\n" for line in lines]))

    def close(self) -> None:
        """Close the file; may be called again."""
        self._output.close()


@hookimpl
def tlshub_event_sinks() -> Iterable[EventSinkSpec]:
    """Describe the sink."""
    return [
        EventSinkSpec(name="jsonl", summary="events as JSON lines in a file", config=JsonlConfig, factory=JsonlSink)
    ]
