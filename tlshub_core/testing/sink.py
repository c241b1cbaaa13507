# SPDX-License-Identifier: Apache-2.0
"""What every event sink must pass: subclass `EventSinkConformance`, name it `Test…`, and set `spec`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from tlshub_core.api import EventSink, EventSinkSpec, LineSink
from tlshub_core.events.line import line_of
from tlshub_core.events.sinks import Sinks
from tlshub_core.testing.conformance import Conformance, opt_in
from tlshub_core.testing.every_event import UNUSUAL, one_of_each

TAKEN = "'write' takes every event of the contract, and passes over what it has no use for"


class EventSinkConformance(Conformance):
    """Checks of one sink, alone and in a process of its own; override `options` where it needs some.

    Features: 'lines' (it is a `LineSink`), 'installed'.
    """

    spec: ClassVar[EventSinkSpec]

    def options(self, folder: Path) -> Mapping[str, object]:
        """A configuration table for the sink; `folder` is empty and for this test alone."""
        return {}

    def make(self, folder: Path) -> EventSink:
        """The sink, not opened."""
        return self.spec.factory(self.spec.config(**self.options(folder)))

    def opened(self, folder: Path) -> EventSink:
        """The sink, opened."""
        sink = self.make(folder)
        sink.open()
        return sink

    def test_it_is_made_without_side_effects(self, tmp_path: Path) -> None:
        self.make(tmp_path)
        assert list(tmp_path.iterdir()) == [], "'factory' opens nothing: that is for 'open', in the sink's process"

    def test_every_event_is_taken(self, tmp_path: Path) -> None:
        sink = self.opened(tmp_path)
        with _taking(TAKEN):
            sink.write(one_of_each())
            for event in one_of_each():
                sink.write([event])
        sink.close()

    def test_every_event_is_taken_alone_and_first(self, tmp_path: Path) -> None:
        sink = self.opened(tmp_path)
        with _taking("events of a connection may be lost: each may come without those before it"):
            for event in reversed(one_of_each()):
                sink.write([event])
        sink.close()

    def test_unusual_text_is_taken(self, tmp_path: Path) -> None:
        sink = self.opened(tmp_path)
        with _taking("a process chooses its own name: any text may come, surrogates and control characters too"):
            sink.write(one_of_each(text=UNUSUAL))
            sink.write(one_of_each(text=""))
        sink.close()

    def test_empty_batch_is_taken(self, tmp_path: Path) -> None:
        sink = self.opened(tmp_path)
        with _taking("an empty batch is nothing to write"):
            sink.write([])
        sink.close()

    def test_close_may_be_repeated_and_come_first(self, tmp_path: Path) -> None:
        with _taking("'close' may be called again, and before 'open'"):
            self.make(tmp_path).close()
            sink = self.opened(tmp_path)
            sink.close()
            sink.close()

    def test_it_works_in_its_process(self, tmp_path: Path) -> None:
        sinks = Sinks()
        sinks.start([(self.spec, self.spec.config(**self.options(tmp_path)))])
        batch = [*one_of_each(), *one_of_each(text=UNUSUAL)]
        for event in batch:
            sinks.emit(event)
        (counts,) = sinks.close(timeout=30)
        outcome = (counts.written, counts.failed, counts.dropped, counts.unfinished, counts.status)
        assert outcome == (len(batch), 0, 0, 0, 0), f"not every event was written by the sink's process: {counts}"

    @opt_in("lines")
    def test_every_line_is_taken(self, tmp_path: Path) -> None:
        sink = self.opened(tmp_path)
        assert isinstance(sink, LineSink), "'lines' is claimed: the sink needs a method 'write_lines'"
        with _taking("'write_lines' takes every event as it was encoded, without its newline"):
            sink.write_lines([line_of(event).removesuffix(b"\n") for event in one_of_each(text=UNUSUAL)])
            sink.write_lines([])
        sink.close()


@contextmanager
def _taking(what: str) -> Iterator[None]:
    """Whatever is raised inside is a failure that says what the contract wants."""
    try:
        yield
    except Exception as error:  # a sink's own, of any type
        raise AssertionError(f"{what}; raised {type(error).__name__}: {error}") from error
