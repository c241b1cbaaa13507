# SPDX-License-Identifier: Apache-2.0
"""'check': the rules as compiled, and everything that can be wrong."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tlshub_core.cli.main import main


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_check_prints_the_compiled_rules(config: Path) -> None:
    result = _run("check", config)
    assert result.exit_code == 0
    *lines, backend = result.stdout.splitlines()
    assert lines == [
        "rule  mode     direction  ports      peer         process  passthrough",
        "web   require  in         80         10.0.0.1/32  any      none",
        "web   require  in         80         fd00::1/128  any      none",
        "web   require  in         8000-8100  10.0.0.1/32  any      none",
        "web   require  in         8000-8100  fd00::1/128  any      none",
        "rest  observe  both       any        any          any      none",
        f"'{config}' is in order: 2 rules, 5 rows",
    ]
    assert backend.startswith("on this machine, as this user") and "capture backend" in backend
    assert "libbpf" in backend and result.stderr == ""


def test_check_says_why_the_backend_that_is_named_does_not_work_here(config: Path, tmp_path: Path) -> None:
    named = f'[capture]\nbackend = "bcc"\n[plugin.bcc]\nheaders = "{tmp_path}"\n[mapping]'
    config.write_text(config.read_text().replace("[mapping]", named))
    last = _run("check", config).stdout.splitlines()[-1]
    kernel = os.uname().release
    assert "the capture backend 'bcc' does not work: no headers of the kernel" in last and kernel in last, last


def test_check_json(config: Path) -> None:
    found = json.loads(_run("check", config, "--json").stdout)
    assert found["providers"] == ["openssl"]
    assert found["rules"][0] == {
        "rule": "web", "mode": "require", "direction": "in", "ports": "80", "peer": "10.0.0.1/32", "process": "any",
        "passthrough": "none",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "status", "message"),
    [
        ("[keys]", "[kays]", 2, "key 'kays': unknown, did you mean 'keys'?"),
        ('path = "map"', 'pfad = "map"', 2, "table '[plugin.podmap_file]', key 'path': missing"),
        (
            "[plugin.podmap_file]",
            "[plugin.podmap_fil]",
            2,
            "no plugin of that name, did you mean 'podmap_file'?",
        ),
        ('path = "map"', 'path = "none"', 2, "none': cannot be read: no such file or directory"),
        ('pods = ["web"]', 'pods = ["api"]', 2, "the mapping knows no address of pod 'api'"),
        ('provider = "openssl"', 'provider = "agate"', 1, "no plugin named 'agate' is installed: install it with"),
        ('provider = "openssl"', 'provider = "log"', 1, "plugin 'log' is of kind 'event sink', not 'key provider'"),
        ("[mapping]", "[events]\nsinks = ['openssl']\n[mapping]", 1, "'key provider', not 'event sink'"),
        ("[mapping]", "[capture]\nbackend = 'agate'\n[mapping]", 1, "no plugin named 'agate' is installed"),
    ],
)
def test_check_finds_what_is_wrong(config: Path, old: str, new: str, status: int, message: str) -> None:
    config.write_text(config.read_text().replace(old, new))
    result = _run("check", config)
    assert result.exit_code == status
    assert message in result.stderr
    assert all(line.startswith("error: ") for line in result.stderr.splitlines())
    assert result.stdout == ""


def test_check_shows_what_is_let_through(config: Path) -> None:
    config.write_text(config.read_text().replace('mode = "require"', 'mode = "require"\npassthrough = "tls"'))
    rows = json.loads(_run("check", config, "--json").stdout)["rules"]
    assert [row["passthrough"] for row in rows] == ["tls"] * 4 + ["none"]


def test_check_of_a_legacy_file_says_what_it_implies(config: Path) -> None:
    legacy = config.with_name("capture.conf")
    legacy.write_text("mode = openssl\npod_node_config = map\n")
    result = _run("check", legacy)
    assert result.exit_code == 0
    assert "note: it has no rules, which implies one: 'prefer'" in result.stderr
    assert "implied  prefer  both       any    10.0.0.1/32  any" in result.stdout
