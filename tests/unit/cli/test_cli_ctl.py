# SPDX-License-Identifier: Apache-2.0
"""'ctl': what it prints of an agent's answers, how it finds the agent, and its exit status."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.unit.control.conftest import install, installed
from tests.unit.control.home import CONFIG, Home
from tests.unit.control.serving import serving
from tlshub_core.cli import ctl_socket
from tlshub_core.cli.main import main
from tlshub_core.config import Control, control_socket
from tlshub_core.control.answers import Answer
from tlshub_core.control.binding import Caller
from tlshub_core.control.conversation import Send
from tlshub_core.control.requests import Request
from tlshub_core.types.errors import ConfigError
from tlshub_core.types.flow import Side, Tuple4

__all__ = ["install", "installed"]
HERE, THERE = IPv4Address("127.0.0.1"), IPv4Address("127.0.0.2")
COUNT = 120


class Served(Home):
    """An agent in memory with connections, behind its socket."""

    async def handle(self, request: Request, caller: Caller, send: Send) -> Answer:
        """As the agent; its connections begin with the first command, since they need its loop."""
        if not self.parts.capture.connections():
            for port in range(COUNT):
                ends = Tuple4(client=HERE, client_port=port + 1, server=THERE, server_port=443)
                self.node.backend.begin(Side.CLIENT, ends)
            await self.node.settle()
        return await self.parts.handle(request, caller, send)


@pytest.fixture
def socket(tmp_path: Path, installed: None) -> Iterator[Path]:
    with serving(tmp_path / "control.sock", Served(tmp_path).handle):
        yield tmp_path / "control.sock"


def run(socket: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["ctl", "--socket", str(socket), *words])


def lines(result: Result) -> list[str]:
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


def test_status(socket: Path) -> None:
    shown = lines(run(socket, "status"))
    assert f"process {os.getpid()}, node 'here', up " in shown[0]
    assert "rules:           2 rules, 3 rows" in shown
    assert f"connections:     {COUNT} armed" in shown
    assert "bypass:          off" in shown
    assert [line.split() for line in shown[-2:]] == [
        ["provider", "default", "peers", "may", "ask", "summary"],
        ["scripted", "yes", "yes", *shown[-1].split()[3:]],
    ]
    found = json.loads(run(socket, "status", "--json").stdout)
    assert (found["version"], found["flows"], found["bypass"]) == (1, {"armed": COUNT}, {"on": False, "left_s": None})


def test_flows(socket: Path) -> None:
    result = run(socket, "flows")
    shown = lines(result)
    assert len(shown) == 101
    assert shown[0].split()[:7] == ["id", "side", "client", "server", "pid", "comm", "state"]
    ends = [f"127.0.0.1:{COUNT}", "127.0.0.2:443"]
    assert shown[1].split()[1:9] == ["client", *ends, "?", "?", "armed", "rule-1", "scripted"]
    assert result.stderr == f"100 of {COUNT} connections: '--all' shows the rest\n"
    assert len(lines(run(socket, "flows", "--all"))) == COUNT + 1
    found = json.loads(run(socket, "flows", "--json", "--limit", "2", "--state", "held").stdout)
    assert (found["version"], found["total"], len(found["flows"])) == (1, COUNT, 2)
    assert len(lines(run(socket, "flows", "--state", "open"))) == 1


def test_report(socket: Path) -> None:
    run(socket, "status")  # they begin
    shown = lines(run(socket, "report"))
    assert shown[0].startswith(f"{COUNT} connections in ") and f"0 refused, {COUNT} go on; 0 bytes moved" in shown[0]
    assert shown[1].split() == [
        "outcome",
        "provider",
        "side",
        "metric",
        "count",
        *["min", "mean", "p50", "p95", "p99", "max"],
    ]
    found = json.loads(run(socket, "report", "--json").stdout)
    assert (found["version"], found["active_connections"], found["groups"]) == (1, COUNT, [])


def test_rules_reload_and_bypass(socket: Path) -> None:
    assert lines(run(socket, "rules"))[1].split() == ["web", "prefer", "in", "80", "any", "any", "none", "scripted"]
    assert lines(run(socket, "reload"))[-1] == "reloaded: 2 rules, 3 rows, no mapping"
    assert lines(run(socket, "bypass", "on", "--for", "3")) == [
        "bypass is ON: new connections are NOT encrypted, for 3 min 0 s more"
    ]
    assert "these rules wait: bypass is ON" in run(socket, "rules").stderr
    assert "the rules wait: bypass is ON" in run(socket, "reload").stderr
    assert json.loads(run(socket, "bypass", "off", "--json").stdout) == {"version": 1, "on": False, "left_s": None}
    on = lines(run(socket, "bypass", "on"))
    assert on == ["bypass is ON: new connections are NOT encrypted, until it is switched off"]
    assert lines(run(socket, "bypass", "off")) == ["bypass is off"]


def test_provider(socket: Path) -> None:
    assert lines(run(socket, "provider"))[1].split()[:3] == ["scripted", "yes", "yes"]
    refused = run(socket, "provider", "agate")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr.startswith("error: no plugin named 'agate' is installed")


def test_a_wrong_file_is_named_and_is_status_1(socket: Path) -> None:
    file = socket.with_name("capture.toml")
    file.write_text(CONFIG + "[kays]\n")
    result = run(socket, "reload")
    assert result.exit_code == 1
    assert f"error: '{file}', key 'kays': unknown, did you mean 'keys'?" in result.stderr
    result = run(socket, "reload", "--json")
    assert result.exit_code == 1
    error = json.loads(result.stdout)["error"]
    assert (error["file"], error["key"]) == (str(file), "kays")


def test_where_no_agent_is(tmp_path: Path) -> None:
    result = run(tmp_path / "none.sock", "status")
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"error: no agent is running at '{tmp_path}/none.sock'" in result.stderr
    assert "start it with 'tlshub-capture run'" in result.stderr
    result = run(tmp_path / "none.sock", "status", "--json")
    assert result.exit_code == 1
    assert "no agent is running" in json.loads(result.stdout)["error"]["message"]


@pytest.mark.parametrize(
    "words",
    [
        ["flows", "--state", "opened"],
        ["flows", "--limit", "0"],
        ["bypass"],
        ["bypass", "perhaps"],
        ["bypass", "on", "--for", "0"],
        ["bypass", "on", "--for", "10081"],
        ["bypass", "off", "--for", "5"],
        ["provider", "a\nb"],
        ["no-such"],
    ],
)
def test_wrong_calls_are_status_2(tmp_path: Path, words: list[str]) -> None:
    result = run(tmp_path / "none.sock", *words)
    assert result.exit_code == 2
    assert "Usage: " in result.output


def _on_a_terminal(socket: Path, answer: str, *words: str) -> subprocess.CompletedProcess[str]:
    ours, theirs = pty.openpty()
    code = "from tlshub_core.cli.main import main; main()"
    command = [sys.executable, "-c", code, "ctl", "--socket", str(socket), "bypass", "on", *words]
    os.write(ours, answer.encode())
    try:
        return subprocess.run(command, stdin=theirs, capture_output=True, text=True, timeout=60)
    finally:
        os.close(ours)
        os.close(theirs)


def test_on_a_terminal_it_asks_before_a_bypass(socket: Path) -> None:
    refused = _on_a_terminal(socket, "n\n")
    assert refused.returncode == 1
    assert "new connections of this node will go in clear" in refused.stderr
    assert "bypass:          off" in lines(run(socket, "status"))
    assert _on_a_terminal(socket, "y\n").returncode == 0
    assert "ON: new connections are NOT encrypted" in run(socket, "status").stdout
    lines(run(socket, "bypass", "off"))
    done = _on_a_terminal(socket, "", "--yes")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_socket_is_that_of_the_configuration_wrong_as_it_may_be(socket: Path) -> None:
    file = socket.with_name("other.toml")
    file.write_text('[control]\nsocket = "control.sock"\n[kays]\nprovider = 7\n')
    assert CliRunner().invoke(main, ["ctl", "--config", str(file), "status"]).exit_code == 0
    file.write_text("no toml")
    result = CliRunner().invoke(main, ["ctl", "--config", str(file), "status"])
    assert result.exit_code == 2 and "is not valid TOML" in result.stderr
    result = CliRunner().invoke(main, ["ctl", "--config", str(file), "status", "--json"])
    assert (result.exit_code, json.loads(result.stdout)["error"]["file"]) == (2, str(file))
    file.write_text("[control]\nsocket = 7\nmore = 1\n")
    with pytest.raises(ConfigError, match="table '\\[control\\]', key 'socket'"):
        control_socket(file)
    file.write_text("mode = openssl\n")
    assert control_socket(file) == Path("/run/tlshub-capture/control.sock")


def test_a_default_file_that_is_wrong_is_not_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "capture.toml"
    monkeypatch.setattr(ctl_socket, "default_file", lambda: file)
    file.write_text('[control]\nsocket = "s.sock"\n')
    assert ctl_socket.socket_of(None) == tmp_path / "s.sock"
    file.write_text("no toml")
    assert ctl_socket.socket_of(None) == Control().socket
    assert f"note: '{file}': is not valid TOML" in capsys.readouterr().err
