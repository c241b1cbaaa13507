# SPDX-License-Identifier: Apache-2.0
"""Event sink 'prometheus': metrics for Prometheus to fetch."""

from __future__ import annotations

from collections.abc import Iterable

from tlshub_capture_prometheus.options import Options
from tlshub_core.api import EventSink, EventSinkSpec, hookimpl

__all__ = ["make_sink", "tlshub_event_sinks"]


def make_sink(options: Options) -> EventSink:
    """The sink, not listening yet."""
    from tlshub_capture_prometheus.sink import PrometheusSink  # the client library is for the sink's process alone

    return PrometheusSink(options)


@hookimpl
def tlshub_event_sinks() -> Iterable[EventSinkSpec]:
    """Describe 'prometheus'."""
    return [
        EventSinkSpec(name="prometheus", summary="metrics for Prometheus, over HTTP", config=Options, factory=make_sink)
    ]
