# SPDX-License-Identifier: Apache-2.0
"""The whole agent, natively, in mode 'observe': its command, its events, its signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from tlshub_core.testing.cgroup import own_cgroup, programs_on
from tlshub_core.testing.pair import free_port
from tlshub_core.testing.talker import Talker

LIMIT_S = 30.0
COMMAND = [sys.executable, "-c", "from tlshub_core.cli.main import main; main()"]
CONFIG = """
[capture]
cgroup = "{cgroup}"
{existing}
[keys]
provider = "{provider}"
[peering]
trust_domain = "tlshub.local"
node = "here"
port = {port}
[control]
socket = "control.sock"
[events]
sinks = ["jsonl"]
[plugin.jsonl]
path = "events.jsonl"
[report]
folder = "."
[[rule]]
name = "{rule}"
mode = "{mode}"
"""


class Running:
    """An agent under way; its output and its events."""

    def __init__(self, folder: Path, cgroup: Path, provider: str) -> None:
        self.folder, self.cgroup, self.provider = folder, cgroup, provider
        self.port = free_port()

    def configure(self, rule: str, mode: str = "observe", existing: str = "") -> None:
        """Write the configuration."""
        fields = {"cgroup": self.cgroup, "provider": self.provider, "port": self.port, "rule": rule, "mode": mode}
        (self.folder / "capture.toml").write_text(CONFIG.format(**fields, existing=existing))

    def start(self, *before: str) -> None:
        """Start, and wait until it monitors; skips where the machine does not let it load its programs.

        `before` are words before the command's, such as a program that gives up rights and then runs it.
        """
        command = [*before, *COMMAND, "run", str(self.folder / "capture.toml")]
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        until(lambda: "Monitoring" in self.text() or self.process.poll() is not None)
        if "cannot load the programs" in self.text() or "no capture backend works" in self.text():
            pytest.skip(f"this machine does not let the agent load BPF programs: {self.text().splitlines()[-1]}")
        assert self.process.poll() is None, self.text()

    @property
    def output(self) -> Path:
        """Where its standard output and error go."""
        return self.folder / "agent.log"

    def text(self) -> str:
        """What it printed."""
        return self.output.read_text()

    def events(self, kind: str) -> list[dict[str, object]]:
        """Events of that type, in order."""
        path = self.folder / "events.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [event for event in map(json.loads, lines) if event["event"] == kind]

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal; the exit status."""
        self.process.send_signal(number)
        return self.process.wait(LIMIT_S)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.02)


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Running]:
    provider = next(filter(serves, sorted(point.name for point in entry_points(group="tlshub_capture"))), None)
    if provider is None:
        pytest.skip("no key provider is installed here, and the agent does not start without one")
    make = ["pki", "init", str(tmp_path), "--node", "here"]
    subprocess.run([*COMMAND, *make], check=True, stdout=subprocess.DEVNULL)
    with own_cgroup() as cgroup:
        agent = Running(tmp_path, cgroup, provider)
        yield agent
        if hasattr(agent, "process") and agent.process.poll() is None:
            agent.process.kill()
            agent.process.wait()


def serves(name: str) -> bool:
    from tlshub_core.plugins import Registry
    from tlshub_core.types.errors import PluginError

    try:
        Registry().key_provider(name)
    except PluginError:
        return False
    return True


@pytest.fixture
def talker(agent: Running) -> Iterator[Talker]:
    talker = Talker(agent.cgroup)
    yield talker
    talker.end()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_observes_and_ends_in_order(agent: Running, talker: Talker, number: signal.Signals) -> None:
    agent.configure("all")
    agent.start()
    assert programs_on(agent.cgroup) == 1
    port = talker.open(1000, 2000)
    talker.close()
    until(lambda: len(agent.events("Closed")) == 2)
    connecting = agent.events("Connecting")
    assert {event["side"] for event in connecting} == {"client", "server"}
    for event in connecting:
        assert (event["client"], event["server"]) == (f"127.0.0.1:{port}", f"127.0.0.1:{talker.service}")
        assert (event["rule"], event["mode"]) == ("all", "observe")
    assert {event["flow"] for event in agent.events("Closed")} == {event["flow"] for event in connecting}
    assert {event["secured"] for event in agent.events("Closed")} == {False}
    assert agent.end(number) == 0, agent.text()
    assert programs_on(agent.cgroup) == 0
    assert "Traceback" not in agent.text()
    assert "Attached: on_sockops" in agent.text()
    assert "2 connections in " in agent.text() and "6.0 kB moved by those that ended" in agent.text()
    (report,) = agent.folder.glob("perf_metrics_*.json")
    found = json.loads(report.read_text())
    assert (found["summary"]["total_connections"], found["summary"]["total_bytes_transferred"]) == (2, 6000)
    (client,) = [group for group in found["groups"] if group["side"] == "client"]
    assert (client["outcome"], client["metrics"]["connection_latency_ms"]["count"]) == ("observed", 1)
    assert found["agent"]["memory_usage_kb"]["count"] > 0 and found["connections"][0]["bytes_sent"] in (1000, 2000)
    assert report.with_suffix(".csv").exists()


def test_a_connection_has_one_timeline_in_order(agent: Running, talker: Talker) -> None:
    agent.configure("all")
    agent.start()
    talker.open(1000, 2000)
    talker.close()
    until(lambda: len(agent.events("Timeline")) == 2)
    client, server = sorted(agent.events("Timeline"), key=lambda event: str(event["side"]))
    assert (server["syn_ns"], server["released_ns"], server["provider"]) == (None, None, "")
    assert (client["bytes_sent"], client["bytes_received"]) == (1000, 2000)
    assert (server["bytes_sent"], server["bytes_received"]) == (2000, 1000)
    assert client["syn_ns"] == client["owner_ns"]
    times = [int(str(client[name])) for name in ("syn_ns", "established_ns", "time_ns")]
    assert times == sorted(times) and times[0] < int(str(server["established_ns"])) < int(str(server["time_ns"]))
    assert agent.end() == 0, agent.text()


def test_a_folder_for_the_report_that_is_not_there_is_said_at_the_start(agent: Running) -> None:
    agent.configure("all")
    file = agent.folder / "capture.toml"
    file.write_text(file.read_text().replace('folder = "."', 'folder = "nowhere"'))
    done = subprocess.run([*COMMAND, "run", str(file)], capture_output=True, text=True)
    assert done.returncode == 2
    assert f"table '[report]', key 'folder': '{agent.folder / 'nowhere'}' is no folder: make it" in done.stderr


def test_sighup_takes_new_rules_and_refuses_wrong_ones(agent: Running, talker: Talker) -> None:
    agent.configure("before")
    agent.start()
    agent.configure("after")
    os.kill(agent.process.pid, signal.SIGHUP)
    until(lambda: len(agent.events("Reloaded")) == 1)
    for wrong in ("perhaps", "require"):
        agent.configure("wrong", wrong)
        os.kill(agent.process.pid, signal.SIGHUP)
        until(lambda: len(agent.events("Reloaded")) == 2 + (wrong == "require"))  # noqa: B023 - called at once
    assert [event["ok"] for event in agent.events("Reloaded")] == [True, False, False]
    assert "restart it to load the gate" in str(agent.events("Reloaded")[-1]["detail"])
    talker.open(1, 1)
    until(lambda: len(agent.events("Connecting")) == 2)
    assert {event["rule"] for event in agent.events("Connecting")} == {"after"}
    assert agent.end() == 0, agent.text()


def test_the_agent_is_protected_from_readers(agent: Running) -> None:
    agent.configure("all")
    agent.start()
    process = Path(f"/proc/{agent.process.pid}")
    limits = (process / "limits").read_text().splitlines()
    assert next(line for line in limits if line.startswith("Max core file size")).split()[4:6] == ["0", "0"]
    assert agent.end() == 0
