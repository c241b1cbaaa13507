# SPDX-License-Identifier: Apache-2.0
"""The command line: commands that need no agent, exit status, what a start imports."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tlshub_core import __version__
from tlshub_core.cli.common import _print_table
from tlshub_core.cli.main import COMMANDS, main


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_plugins_lists_what_is_installed() -> None:
    rows = {row["name"]: row for row in json.loads(_run("plugins", "--json").stdout)}
    assert rows["podmap_file"]["kind"] == "mapping source"
    assert rows["podmap_file"]["distribution"] == "tlshub-capture-podmap-file"
    assert rows["podmap_file"]["library"] == ""
    assert rows["openssl"]["library"].startswith("OpenSSL ")
    result = _run("plugins")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0].split() == [
        "name", "kind", "state", "distribution", "library", "summary"
    ]  # fmt: skip


def test_pki_init_makes_files_and_keeps_them(tmp_path: Path) -> None:
    result = _run("pki", "init", tmp_path / "pki", "--trust-domain", "example.org", "--node", "a", "--node", "b")
    assert result.exit_code == 0
    assert {Path(line).name for line in result.stdout.splitlines()} == {
        "ca.pem", "ca-key.pem", "a.pem", "a-key.pem", "b.pem", "b-key.pem"
    }  # fmt: skip
    before = (tmp_path / "pki" / "ca-key.pem").read_bytes()
    again = _run("pki", "init", tmp_path / "pki", "--trust-domain", "example.org", "--node", "a")
    assert (again.exit_code, again.stdout) == (0, "")
    assert (tmp_path / "pki" / "ca-key.pem").read_bytes() == before


def test_pki_init_where_nothing_can_be_written() -> None:
    result = _run("pki", "init", "/proc/nowhere", "--node", "a")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: '/proc/nowhere' cannot be written: ")


def test_wrong_calls_are_status_2(config: Path) -> None:
    assert _run("no-such-command").exit_code == 2
    assert _run("check", config, "--no-such-option").exit_code == 2
    assert _run("check", config.with_name("none.toml")).exit_code == 2


def test_version_and_help() -> None:
    assert _run("--version").stdout == f"tlshub-capture, version {__version__}\n"
    shown = _run("--help").stdout
    assert all(f"\n  {name} " in shown for name in COMMANDS)
    assert "..." not in shown.partition("Commands:")[2]


def test_table_for_a_terminal_takes_names_literally(capsys: pytest.CaptureFixture[str]) -> None:
    _print_table(("rule", "mode"), [("[bold]web[/bold]", "prefer")])
    assert "[bold]web[/bold]" in capsys.readouterr().out


@pytest.mark.parametrize("module", ["main", "ctl"])
def test_start_imports_little(module: str) -> None:
    heavy = "{'pydantic', 'rich', 'pyroute2', 'cryptography', 'OpenSSL', 'asyncio', 'packaging'}"
    code = f"import sys, tlshub_core.cli.{module}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
