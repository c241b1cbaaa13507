# SPDX-License-Identifier: Apache-2.0
"""The sink as any other, and what it tells of its surroundings: agent, version, port."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import pytest
from tlshub_capture_prometheus import tlshub_event_sinks
from tlshub_capture_prometheus.options import Options

from plugins.prometheus.tests.scrapes import PREFIX, Scraped, everything, families, series, text
from tests.unit.events.sinks_for_tests import settled
from tlshub_core import __version__
from tlshub_core.api import Unavailable
from tlshub_core.events.sinks import Sinks
from tlshub_core.testing import EventSinkConformance
from tlshub_core.testing.every_event import UNUSUAL, one_of_each
from tlshub_core.testing.pair import free_port

(SPEC,) = tlshub_event_sinks()


class TestPrometheus(EventSinkConformance):
    spec = SPEC
    supports = ("installed",)

    def options(self, folder: Path) -> Mapping[str, object]:
        return {"port": free_port()}


def started() -> tuple[Sinks, int]:
    """The sink in a process of its own, as the agent starts it, and its port."""
    sinks, port = Sinks(), free_port()
    sinks.start([(SPEC, SPEC.config(port=port))])
    for event in everything():
        sinks.emit(event)
    until = time.monotonic() + 30
    while not settled(sinks, 0):
        assert time.monotonic() < until, "the sink took too long"
        time.sleep(0.01)
    return sinks, port


def test_the_process_it_tells_of_is_the_agents() -> None:
    sinks, port = started()
    before = sum(os.times()[:2])
    while sum(os.times()[:2]) < before + 0.05:
        pass
    values = series(text(port))
    sinks.close(timeout=30)
    cpu = values["agent_process_cpu_seconds_total", frozenset()]
    assert before <= cpu <= sum(os.times()[:2]) + 0.05
    (resident,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS")]
    kept = values["agent_process_resident_memory_bytes", frozenset()]
    assert kept == pytest.approx(int(resident.split()[1]) * 1024, rel=0.2)
    assert values["build_info", frozenset({("version", __version__)})] == 1


def test_in_its_process_every_event_is_counted() -> None:
    sinks, port = started()
    served = text(port)
    (counts,) = sinks.close(timeout=30)
    assert (counts.written, counts.status) == (len(everything()), 0)
    counted = {labels: value for (name, labels), value in series(served).items() if name == "events_total"}
    assert sum(counted.values()) == len(everything())


def test_names_are_those_that_prometheus_asks_for(scraped: Scraped) -> None:
    scraped.write(*everything())
    for family in families(text(scraped.port)):
        assert family.name.startswith(PREFIX)
        assert family.documentation.endswith(".")
        assert family.type in {"counter", "gauge", "histogram"}
        assert "milli" not in family.name and "_ns" not in family.name, "base units"
        assert family.type != "histogram" or family.name.endswith("_seconds")
        assert not any(sample.name.endswith("_created") for sample in family.samples)


def test_openmetrics_is_served_where_it_is_asked_for(scraped: Scraped) -> None:
    scraped.write(*everything(), *one_of_each(text=UNUSUAL))
    request = urllib.request.Request(
        f"http://127.0.0.1:{scraped.port}/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"}
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
        assert answer.read().endswith(b"# EOF\n")


def test_a_port_in_use_is_said_with_what_to_do(scraped: Scraped) -> None:
    other = SPEC.factory(Options(port=scraped.port))
    with pytest.raises(Unavailable, match="address already in use; see who has it with 'ss -ltnp', or set 'address'"):
        other.open()
    other.close()


def test_a_port_that_becomes_free_is_had() -> None:
    port = free_port()
    held = "import socket, sys, time; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); print(flush=True)"
    with subprocess.Popen([sys.executable, "-c", f"{held}; time.sleep(0.5)", str(port)], stdout=subprocess.PIPE) as one:
        assert one.stdout and one.stdout.readline()
        late = Scraped(port)
        assert late.get("sessions_up", dialler="yes") == 0
        late.sink.close()


@pytest.mark.parametrize(
    "wrong", [{"port": 0}, {"port": 65536}, {"port": "80"}, {"address": "localhost"}, {"path": "/"}]
)
def test_a_wrong_option_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        Options(**wrong)  # type: ignore[arg-type]


def test_ipv6_is_served() -> None:
    port = free_port()
    sink = SPEC.factory(Options(address="::1", port=port))  # type: ignore[arg-type]
    sink.open()
    with urllib.request.urlopen(f"http://[::1]:{port}/metrics", timeout=20) as answer:
        assert b"tlshub_capture_build_info" in answer.read()
    sink.close()
