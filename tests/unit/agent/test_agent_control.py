# SPDX-License-Identifier: Apache-2.0
"""'ctl' against the whole agent, natively, in mode 'observe'; its socket from the first start to the last."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
from pathlib import Path

from tests.unit.agent.test_agent_observe import COMMAND, Running, agent, talker, until
from tlshub_core.testing.talker import Talker

__all__ = ["agent", "talker"]


def ctl(agent: Running, *words: str, status: int = 0) -> dict[str, object]:
    """The JSON that the command prints."""
    where = ["--config", str(agent.folder / "capture.toml")]
    done = subprocess.run([*COMMAND, "ctl", *where, *words, "--json"], capture_output=True, text=True)
    assert done.returncode == status, done
    found = json.loads(done.stdout)
    assert isinstance(found, dict) and found["version"] == 1
    return found


def socket_of(agent: Running) -> Path:
    return agent.folder / "control.sock"


def test_it_is_asked_and_told(agent: Running, talker: Talker) -> None:
    agent.configure("before")
    agent.start()
    assert stat.S_IMODE(socket_of(agent).stat().st_mode) == 0o600
    port = talker.open(10, 10)
    until(lambda: len(agent.events("Connecting")) == 2)
    flows = ctl(agent, "flows")["flows"]
    assert isinstance(flows, list)
    assert {(flow["side"], flow["client"], flow["state"], flow["rule"]) for flow in flows} == {
        (side, f"127.0.0.1:{port}", "clear", "before") for side in ("client", "server")
    }
    shown = ctl(agent, "status")
    assert (shown["pid"], shown["node"], shown["flows"]) == (agent.process.pid, "here", {"clear": 2})
    assert "on_sockops" in str(shown["programs"])
    watched = subprocess.run([*COMMAND, "top", "--socket", str(socket_of(agent))], capture_output=True, text=True)
    assert (watched.returncode, watched.stderr) == (0, "")
    assert f"< 127.0.0.1:{port} " in watched.stdout and "connections   2 clear" in watched.stdout
    agent.configure("after")
    assert ctl(agent, "reload")["rules"] == 1
    assert [row["rule"] for row in ctl(agent, "rules")["rules"]] == ["after"]  # type: ignore[attr-defined]
    agent.configure("wrong", "perhaps")
    error = ctl(agent, "reload", status=1)["error"]
    assert isinstance(error, dict) and error["table"] == "[rule]" and "'perhaps' is no mode" in error["message"]
    agent.configure("held", "require")
    assert "restart it to load the gate" in str(ctl(agent, "reload", status=1))
    until(lambda: len(agent.events("Reloaded")) == 3)
    assert [event["ok"] for event in agent.events("Reloaded")] == [True, False, False]
    agent.configure("after")
    provider = ctl(agent, "provider")["providers"]
    assert ctl(agent, "provider", agent.provider)["providers"] == provider
    assert "is installed" in str(ctl(agent, "provider", "no-such", status=1))
    assert agent.end() == 0, agent.text()
    assert not socket_of(agent).exists()


def test_a_bypass_leaves_new_connections_alone_and_dies_with_the_agent(agent: Running, talker: Talker) -> None:
    agent.configure("all")
    agent.start()
    assert ctl(agent, "bypass", "on", "--for", "5")["on"] is True
    talker.open(1, 1)
    talker.close()
    os.kill(agent.process.pid, signal.SIGHUP)
    until(lambda: len(agent.events("Reloaded")) == 1)
    talker.open(1, 1)
    talker.close()
    assert ctl(agent, "bypass", "off")["on"] is False
    talker.open(1, 1)
    until(lambda: len(agent.events("Connecting")) == 2)
    assert [event["on"] for event in agent.events("Bypass")] == [True, False]
    assert "BYPASS ON (process" in agent.text()
    assert ctl(agent, "bypass", "on")["left_s"] is None
    agent.process.kill()
    agent.process.wait()
    assert socket_of(agent).exists(), "nobody took it away"
    agent.start()
    assert ctl(agent, "status")["bypass"] == {"on": False, "left_s": None}
    assert agent.end() == 0


def test_a_second_agent_does_not_start_and_the_first_goes_on(agent: Running) -> None:
    agent.configure("all")
    agent.start()
    second = subprocess.run([*COMMAND, "run", str(agent.folder / "capture.toml")], capture_output=True, text=True)
    assert second.returncode == 1
    assert f"error: another agent is running, pid {agent.process.pid}: stop it" in second.stderr
    assert ctl(agent, "status")["pid"] == agent.process.pid
    assert agent.end() == 0
