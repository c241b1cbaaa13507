# SPDX-License-Identifier: Apache-2.0
"""'pods': by name, by address, all."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from tlshub_core.cli.main import main


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_pods_by_name_and_address(config: Path) -> None:
    by_name = _run("pods", "web", "--config", config)
    assert by_name.stdout.splitlines()[1:] == [
        "web  node-a  192.0.2.1     10.0.0.1",
        "web  node-a  192.0.2.1     fd00::1",
    ]
    for address in ("10.0.0.1", "::ffff:10.0.0.1"):
        found = json.loads(_run("pods", address, "--config", config, "--json").stdout)
        assert found == [{"pod": "web", "node": "node-a", "node_address": "192.0.2.1", "address": "10.0.0.1"}]
    assert len(json.loads(_run("pods", "--config", config, "--json").stdout)) == 3


def test_pods_unknown(config: Path) -> None:
    result = _run("pods", "10.9.9.9", "--config", config)
    assert result.exit_code == 1
    assert result.stderr == f"error: the mapping of '{config}' does not know '10.9.9.9': it has 3 entries\n"


def test_pods_without_a_mapping(config: Path) -> None:
    config.write_text('[keys]\nprovider = "openssl"\n')
    result = _run("pods", "web", "--config", config)
    assert result.exit_code == 2
    assert "table '[mapping]', key 'source': no mapping is configured" in result.stderr
