# SPDX-License-Identifier: Apache-2.0
"""Event sinks that each break what one conformance test wants."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence

from tests.unit.testing.sound_sink import LineByLine, Options, Sink, Sound
from tlshub_core.api import Event, events


class TestSound(Sound):
    """Breaks nothing."""


class TestOpensWhenMade(Sound):
    breaks = "test_it_is_made_without_side_effects"

    class Sink(LineByLine):
        def __init__(self, options: Options) -> None:
            super().__init__(options)
            options.path.touch()


class TestKnowsNoSessions(Sound):
    breaks = "test_every_event_is_taken"
    also = ("test_every_event_is_taken_alone_and_first", "test_unusual_text_is_taken", "test_it_works_in_its_process")
    supports = ()

    class Sink(Sink):
        def write(self, events: Sequence[Event]) -> None:
            for event in events:
                self.take(event)

        def take(self, event: Event) -> None:
            if isinstance(event, events.SessionUp):
                raise NotImplementedError("sessions")


class TestNeedsTheBeginning(Sound):
    breaks = "test_every_event_is_taken_alone_and_first"
    supports = ()

    class Sink(Sink):
        def __init__(self, options: Options) -> None:
            super().__init__(options)
            self.known: set[object] = {None}

        def write(self, batch: Sequence[Event]) -> None:
            for event in batch:
                if isinstance(event, events.Connecting):
                    self.known.add(event.flow)
                elif event.flow not in self.known:
                    raise KeyError(event.flow)


class TestStrictText(Sound):
    breaks = "test_unusual_text_is_taken"
    also = ("test_it_works_in_its_process",)
    supports = ()

    class Sink(Sink):
        def write(self, batch: Sequence[Event]) -> None:
            for event in batch:
                if isinstance(event, events.Connecting):
                    os.write(self.number, event.rule.encode())


class TestFirstOfNone(Sound):
    breaks = "test_empty_batch_is_taken"

    class Sink(LineByLine):
        def write(self, events: Sequence[Event]) -> None:
            self.first = events[0]
            super().write(events)


class TestClosesOnce(Sound):
    breaks = "test_close_may_be_repeated_and_come_first"

    class Sink(LineByLine):
        def close(self) -> None:
            os.close(self.number)
            self.number = -1


class TestUsesTheAgentsDescriptor(Sound):
    breaks = "test_it_works_in_its_process"

    class Sink(LineByLine):
        early = fcntl.fcntl(1, fcntl.F_DUPFD_CLOEXEC, 700)  # the sink's process has none of the agent's

        def write_lines(self, lines: Sequence[bytes]) -> None:
            os.fstat(self.early)
            super().write_lines(lines)


class TestLinesAreNoText(Sound):
    breaks = "test_every_line_is_taken"
    supports = ("lines",)

    class Sink(Sink):
        """Has no `write_lines`."""
