# SPDX-License-Identifier: Apache-2.0
"""Event sink 'log': a block of lines per connection, for people to read, in the words of the original tool."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from tlshub_core.api import Event, EventSinkSpec, events, hookimpl
from tlshub_core.events.connection import Connection, taken_over, verdict, worn
from tlshub_core.events.human import duration, printable
from tlshub_core.events.output import Output
from tlshub_core.events.recent import Recent


class LogConfig(BaseModel):
    """Options of the sink: all have defaults."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Path | None = None
    """Appended to; left out: standard output."""


class LogSink:
    """Prints a block per connection when it is decided, never mixed with another's, and a line when it closes:

    === New TCP Connection Detected ===
    Time: 2030-01-31 12:00:00.123
    Source: 10.0.0.1:40000
    Destination: 10.0.0.2:80
    PID: 123 (curl)
    Rule: 'web' (require, outgoing, peer 'node-b')
    Fetching TLS key...
    TLS key obtained successfully (aes-gcm-128, from 'NAME')
    KTLS configured successfully (set up in 8.4 ms, held 1.2 ms)

    The last line may be 'Connection released in clear: REASON (DETAIL)' or 'Connection refused: …' instead. Lines whose
    event did not come are left out. Times are local; raises OSError where the output cannot be written.
    """

    def __init__(self, config: LogConfig) -> None:
        self._output = Output(config.path)
        self._connections = Recent(Connection)
        self._clock_ns = 0

    def open(self) -> None:
        """Open the file, if there is one."""
        self._output.open()

    def write(self, events: Sequence[Event]) -> None:
        """Print what the events complete, in one piece."""
        # Events count from boot, people from midnight; the clock may be set while the agent runs.
        self._clock_ns = time.time_ns() - time.monotonic_ns()
        lines = [line for event in events for line in self._lines(event)]
        if lines:
            self._output.write("".join(f"{line}\n" for line in lines).encode(errors="backslashreplace"))

    def close(self) -> None:
        """Close the file; may be called again."""
        self._output.close()

    def _lines(self, event: Event) -> Iterator[str]:
        match event:
            case events.Secured() | events.ReleasedClear() | events.Refused():
                yield from self._decided(event)
            case events.Closed():
                yield from self._closed(event)
            case events.TakenOver():
                self._connections.of(event.flow).add(event)
                yield f"{self._when(event)} {taken_over(event)}"
            case events.KeyLimit():
                yield f"{self._when(event)} {self._connections.of(event.flow).name()}: {worn(event)}"
            case events.Connecting() | events.Held() | events.Owned() | events.KeysAsked() | events.KeysReady():
                self._connections.of(event.flow).add(event)
            case events.Timeline():
                return  # for programs: whoever reads lines was told all that went before
            case _:
                yield f"{self._when(event)} {printable(_of_agent(event))}"

    def _decided(self, event: events.Secured | events.ReleasedClear | events.Refused) -> Iterator[str]:
        connection = self._connections.of(event.flow)
        again = connection.decision is not None
        connection.add(event)
        if again:
            yield f"{self._when(event)} {connection.name()}: {verdict(event)}"
        else:
            yield from connection.block(self._when(event))

    def _closed(self, event: events.Closed) -> Iterator[str]:
        connection = self._connections.end(event.flow)
        if connection.begun and not connection.decision:
            yield from connection.block(self._when(event))
        yield f"{self._when(event)} {connection.ending(event)}"

    def _when(self, event: Event) -> str:
        seconds, rest = divmod(self._clock_ns + event.time_ns, 1_000_000_000)
        return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(seconds))}.{rest // 1_000_000:03}"


def _of_agent(event: Event) -> str:
    match event:
        case events.SessionUp():
            by = f", {event.library}" if event.library else ""
            return f"Session with node '{event.node}' at {event.address} is up ({_dialler(event)}{by})"
        case events.SessionDown():
            why = f"{event.reason.value} ({event.detail})" if event.detail else event.reason.value
            return f"Session with node '{event.node}' at {event.address} is down ({_dialler(event)}): {why}"
        case events.Lost():
            return f"{event.count} events were lost on their way to '{event.sink}'"
        case events.Unattended():
            released, refused = event.released, event.refused
            return f"While no agent watched, {released} connections were released in clear, {refused} refused"
        case events.Reloaded():
            detail = f": {event.detail}" if event.detail else ""
            return f"{'Reloaded' if event.ok else 'Could not reload'} {event.what}{detail}"
        case events.Bypass():
            return _bypass(event)
    return f"Event '{type(event).__name__}'"


def _bypass(event: events.Bypass) -> str:
    if not event.on:
        return f"BYPASS OFF: the rules are in force for new connections ({event.detail})"
    until = f"for {duration(event.seconds * 1_000_000_000)}" if event.seconds else "until it is switched off"
    return f"BYPASS ON: new connections are NOT encrypted, {until} ({event.detail})"


def _dialler(event: events.SessionUp | events.SessionDown) -> str:
    return "dialled by this node" if event.dialler else "dialled by the other node"


@hookimpl
def tlshub_event_sinks() -> Iterable[EventSinkSpec]:
    """Describe the sink."""
    return [EventSinkSpec(name="log", summary="a block of lines per connection", config=LogConfig, factory=LogSink)]
