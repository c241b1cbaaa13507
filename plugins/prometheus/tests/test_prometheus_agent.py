# SPDX-License-Identifier: Apache-2.0
"""The whole agent with this sink, and with the one for tables, natively, in mode 'observe'."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

from plugins.prometheus.tests.scrapes import series, text
from tests import confined
from tests.unit.agent.test_agent_observe import Running, agent, talker, until
from tlshub_core import __version__
from tlshub_core.testing.pair import free_port
from tlshub_core.testing.talker import Talker

__all__ = ["agent", "talker"]
SINKS = """sinks = ["jsonl", "prometheus", "csv"]
[plugin.csv]
path = "connections.csv"
[plugin.prometheus]
port = {port}"""


def started(agent: Running, *before: str) -> int:
    """The agent captures; the port of its metrics. `before` is what it is started by."""
    agent.configure("all")
    path, port = agent.folder / "capture.toml", free_port()
    path.write_text(path.read_text().replace('sinks = ["jsonl"]', SINKS.format(port=port)))
    agent.start(*before)
    until(lambda: answers(port))
    return port


def answers(port: int) -> bool:
    """Whether something is served there."""
    try:
        return bool(text(port))
    except OSError:
        return False


def ended(port: int) -> float:
    """How many connections have ended."""
    return sum(value for (name, _), value in series(text(port)).items() if name == "connections_decided_total")


def test_it_serves_what_the_agent_saw_and_took(agent: Running, talker: Talker) -> None:
    port = started(agent)
    talker.open(1000, 2000)
    talker.close()
    until(lambda: ended(port) == 2)
    values = series(text(port))
    for side in ("client", "server"):
        assert values["connections_total", frozenset({("side", side), ("mode", "observe")})] == 1
    for direction in ("sent", "received"):
        both = values["payload_bytes_total", frozenset({("outcome", "observed"), ("direction", direction)})]
        assert both == 3000
    (resident,) = [line for line in status(agent.process.pid) if line.startswith("VmRSS")]
    shown = values["agent_process_resident_memory_bytes", frozenset()]
    assert shown == pytest.approx(int(resident.split()[1]) * 1024, rel=0.3)
    assert values["agent_process_cpu_seconds_total", frozenset()] > 0
    assert values["build_info", frozenset({("version", __version__)})] == 1


def test_the_table_has_a_row_for_each_end(agent: Running, talker: Talker) -> None:
    started(agent)
    talker.open(1000, 2000)
    talker.close()
    path = agent.folder / "connections.csv"
    until(lambda: len(path.read_text().splitlines()) == 3 and len(agent.events("Connecting")) == 2)
    with path.open(newline="") as file:
        rows = {row["side"]: row for row in csv.DictReader(file)}
    assert rows["client"]["client"] == rows["server"]["client"]
    assert {(row["outcome"], row["rule"], row["mode"]) for row in rows.values()} == {("observed", "all", "observe")}
    assert {row["flow"] for row in rows.values()} == {event["flow"] for event in agent.events("Connecting")}
    assert rows["client"]["began"] <= rows["client"]["ended"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: to give up capabilities")
def test_it_serves_with_what_the_systemd_unit_leaves_it(agent: Running, talker: Talker) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("'systemd-analyze' is not installed: apt-get install systemd")
    port = started(agent, sys.executable, str(Path(confined.__file__)))
    talker.open(10, 20)
    talker.close()
    until(lambda: ended(port) == 2)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_next_agent_has_the_port(agent: Running, number: signal.Signals) -> None:
    port = started(agent)
    began = series(text(port))["agent_process_start_time_seconds", frozenset()]
    agent.end(number)
    agent.start()
    until(lambda: answers(port) and _start(port) > began)
    assert "cannot be listened on" not in agent.text()


def _start(port: int) -> float:
    return series(text(port)).get(("agent_process_start_time_seconds", frozenset()), 0.0)


def status(pid: int) -> list[str]:
    """What the kernel says of that process."""
    return Path(f"/proc/{pid}/status").read_text().splitlines()
