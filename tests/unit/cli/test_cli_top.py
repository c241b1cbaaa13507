# SPDX-License-Identifier: Apache-2.0
"""'top' without a terminal: once, as plain columns or JSON; and wrong calls."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.unit.cli.test_cli_ctl import COUNT, lines, socket
from tests.unit.control.conftest import install, installed
from tlshub_core.cli.main import main

__all__ = ["install", "installed", "socket"]


def run(socket: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["top", "--socket", str(socket), *words])


@pytest.mark.parametrize("words", [[], ["--once"]])
def test_it_is_printed_once(socket: Path, words: list[str]) -> None:
    result = run(socket, *words)
    shown = lines(result)
    assert shown[0].startswith(f"agent         node 'here', process {os.getpid()}, up ")
    assert f"connections   {COUNT} armed" in shown
    at = shown.index("")
    assert shown[at + 1].split()[:3] == ["process", "pid", ">"] and "bytes/s" not in shown[at + 1]
    assert len(shown) == at + 2 + 50
    assert "\x1b" not in result.output
    assert result.stderr == f"50 of {COUNT} connections: '--limit' shows more\n"


def test_what_is_looked_for_and_how_it_is_sorted(socket: Path) -> None:
    shown = lines(run(socket, "--sort", "oldest", "--limit", "2"))
    assert ["127.0.0.1:1" in shown[-2], "127.0.0.1:2" in shown[-1]] == [True, True]
    found = json.loads(run(socket, "--json", "--filter", f"127.0.0.1:{COUNT}").stdout)
    assert (found["version"], found["total"], len(found["flows"]), found["connections"]) == (1, 1, 1, COUNT)
    assert found["status"]["flows"] == {"armed": COUNT}


def test_where_no_agent_is(tmp_path: Path) -> None:
    result = run(tmp_path / "none.sock")
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"error: no agent is running at '{tmp_path}/none.sock'" in result.stderr


@pytest.mark.parametrize("words", [["--sort", "x"], ["--filter", "a\nb"], ["--interval", "0"], ["--limit", "201"]])
def test_wrong_calls_are_status_2(tmp_path: Path, words: list[str]) -> None:
    result = run(tmp_path / "none.sock", *words)
    assert result.exit_code == 2 and "Usage: " in result.output
