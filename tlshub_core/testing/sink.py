# SPDX-License-Identifier: Apache-2.0
"""What every event sink must pass; subclass it in a test module and say which sink."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from uuid import UUID, uuid4

from tlshub_core.api import Event, EventSink, EventSinkSpec, Mode, Reason, Side, events
from tlshub_core.events.sinks import Sinks

# A name cut inside a character, a terminal's escape, a line of its own, text from right to left, and no plane 0.
UNUSUAL = "caf\udcc3 \x1b[31m\n=== New TCP Connection Detected ===\r\x00 \u202e\u2028 \U0001f512 {} %s"


def one_of_each(flow: UUID | None = None, text: str = "text") -> list[Event]:
    """An event of every type, those of a connection in the order in which they come; `text` in each free field."""
    flow = flow or uuid4()
    at, side = 1_000_000_000, Side.CLIENT
    ends = {"client": "10.0.0.1:40000", "server": "[fd00::2]:80"}
    return [
        events.Connecting(time_ns=at, flow=flow, side=side, **ends, rule=text, mode=Mode.REQUIRE, peer=text),
        events.Held(time_ns=at, flow=flow, pid=7),
        events.Owned(time_ns=at, flow=flow, pid=7, fd=3, comm=text),
        events.KeysAsked(time_ns=at, flow=flow, provider=text),
        events.KeysReady(time_ns=at, flow=flow, provider=text, cipher="aes-gcm-128"),
        events.Secured(
            time_ns=at,
            flow=flow,
            side=side,
            **ends,
            pid=7,
            comm=text,
            provider=text,
            cipher=text,
            hold_ns=0,
            setup_ns=9,
        ),
        events.ReleasedClear(time_ns=at, flow=flow, reason=Reason.DEADLINE, detail=text),
        events.Refused(time_ns=at, flow=flow, reason=Reason.PEER_UNKNOWN, detail=text),
        events.Closed(time_ns=2**62, flow=flow, secured=True, restarts=1, bytes_sent=2**64 - 1, bytes_received=0),
        events.SessionUp(time_ns=at, node=text, address="10.0.0.2", dialler=True, library=text),
        events.SessionDown(time_ns=at, node=text, address="", dialler=False, reason=Reason.CLOSED, detail=text),
        events.Lost(time_ns=at, sink=text, count=1),
        events.Reloaded(time_ns=at, what=text, ok=False, detail=text),
        events.Bypass(time_ns=at, on=True, seconds=60, detail=text),
    ]


class EventSinkConformance:
    """Checks of one sink, alone and in a process of its own; override `spec`, and `options` where it needs some."""

    def spec(self) -> EventSinkSpec:
        """The descriptor that the sink's hook returns."""
        raise NotImplementedError("a conformance test says which sink it is about: override 'spec'")

    def options(self, folder: Path) -> Mapping[str, object]:
        """A configuration table for the sink; `folder` is empty and for this test alone."""
        return {}

    def make(self, folder: Path) -> EventSink:
        """The sink, not opened."""
        spec = self.spec()
        return spec.factory(spec.config(**self.options(folder)))

    def test_descriptor_is_complete(self) -> None:
        spec = self.spec()
        assert spec.name, "no name for the configuration"
        assert spec.summary, "no summary for the list of plugins"
        assert "\n" not in spec.summary, "the summary is one line"

    def test_unknown_option_is_an_error(self, tmp_path: Path) -> None:
        try:
            self.spec().config(**self.options(tmp_path), no_such_option=1)
        except ValueError:
            return
        raise AssertionError("an unknown option was accepted: set extra='forbid' in the options' model")

    def test_every_event_is_taken(self, tmp_path: Path) -> None:
        assert {type(event) for event in one_of_each()} == set(events.KINDS)
        sink = self.make(tmp_path)
        sink.open()
        sink.write(one_of_each())
        for event in one_of_each():
            sink.write([event])
        sink.close()

    def test_every_event_is_taken_alone_and_first(self, tmp_path: Path) -> None:
        sink = self.make(tmp_path)
        sink.open()
        for event in reversed(one_of_each()):
            sink.write([event])
        sink.close()

    def test_unusual_text_is_taken(self, tmp_path: Path) -> None:
        sink = self.make(tmp_path)
        sink.open()
        sink.write(one_of_each(text=UNUSUAL))
        sink.write(one_of_each(text=""))
        sink.close()

    def test_empty_batch_is_taken(self, tmp_path: Path) -> None:
        sink = self.make(tmp_path)
        sink.open()
        sink.write([])
        sink.close()

    def test_close_may_be_repeated_and_come_first(self, tmp_path: Path) -> None:
        never_opened = self.make(tmp_path)
        never_opened.close()
        sink = self.make(tmp_path)
        sink.open()
        sink.close()
        sink.close()

    def test_it_works_in_its_process(self, tmp_path: Path) -> None:
        spec, sinks = self.spec(), Sinks()
        sinks.start([(spec, spec.config(**self.options(tmp_path)))])
        batch = [*one_of_each(), *one_of_each(text=UNUSUAL)]
        for event in batch:
            sinks.emit(event)
        (counts,) = sinks.close(timeout=30)
        outcome = (counts.written, counts.failed, counts.dropped, counts.unfinished, counts.status)
        assert outcome == (len(batch), 0, 0, 0, 0), f"not every event was written: {counts}"
