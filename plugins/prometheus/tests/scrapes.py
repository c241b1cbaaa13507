# SPDX-License-Identifier: Apache-2.0
"""What a sink serves, as Prometheus reads it."""

from __future__ import annotations

import urllib.request
from collections.abc import Sequence

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from tlshub_capture_prometheus.options import Options
from tlshub_capture_prometheus.sink import LIMIT, PrometheusSink

from tests.unit.events.lives import Life
from tlshub_core.api import Event, Mode, Reason, Side, State, events

PREFIX = "tlshub_capture_"


def text(port: int) -> str:
    """What is served at that port."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
        return str(answer.read().decode())


def families(served: str) -> list[Metric]:
    """The metrics of that text."""
    return list(text_string_to_metric_families(served))


def series(served: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Its values by name, without what all names begin with, and labels."""
    samples = [sample for family in families(served) for sample in family.samples]
    return {(one.name.removeprefix(PREFIX), frozenset(one.labels.items())): one.value for one in samples}


class Scraped:
    """A sink that is open, and its values."""

    def __init__(self, port: int, limit: int = LIMIT) -> None:
        self.port = port
        self.sink = PrometheusSink(Options(port=port), limit)
        self.sink.open()

    def write(self, *batch: Event) -> None:
        """Hand it events."""
        self.sink.write(batch)

    def all(self, name: str) -> dict[frozenset[tuple[str, str]], float]:
        """The values of all series of that name."""
        return {labels: value for (of, labels), value in series(text(self.port)).items() if of == name}

    def get(self, name: str, **labels: str) -> float:
        """The value of one series; 0 where it does not exist."""
        return self.all(name).get(frozenset(labels.items()), 0.0)


def everything() -> Sequence[Event]:
    """Events that make a series of every metric, with values that tell something."""
    released, refused = Life(mode=Mode.PREFER), Life(side=Side.SERVER, provider="boringssl")
    open_still, watched, early, older = Life(), Life(mode=Mode.OBSERVE), Life(), Life(mode=Mode.PREFER)
    return [
        *Life().whole(),
        *Life(side=Side.SERVER, provider="boringssl").whole(),
        *(released.connecting(), released.asked(), released.released(), released.closed(3000)),
        *(refused.connecting(), refused.asked(), refused.refused(Reason.DEADLINE), refused.closed(0, 0)),
        *(watched.connecting(), watched.closed(), early.connecting(), early.closed()),
        *(older.taken_over(State.OPEN), *open_still.whole()[:-1]),
        events.KeyLimit(time_ns=1, flow=open_still.flow, sent=True, records=2**24, bytes=2**38, closed=False),
        events.SessionUp(time_ns=1, node="b", address="10.0.0.2", dialler=True),
        events.SessionDown(time_ns=1, node="", address="10.0.0.3", dialler=True, reason=Reason.DEADLINE, detail=""),
        events.Lost(time_ns=1, sink=events.RING_BUFFER, count=5),
        events.Unattended(time_ns=1, released=2, refused=3, since_ns=0),
        events.Reloaded(time_ns=1, what="rules", ok=True, detail=""),
        events.Bypass(time_ns=1, on=True, seconds=0, detail=""),
    ]
