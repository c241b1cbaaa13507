# SPDX-License-Identifier: Apache-2.0
"""The configuration file: what is in it, what is assumed, where it is found."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

import pytest

from tests.unit.config.samples import FULL, MINIMAL, write
from tlshub_core.api import Cipher, ConfigError, Mode
from tlshub_core.config import default_file, load, rule_from_option


def test_full_file(tmp_path: Path) -> None:
    config = load(write(tmp_path, FULL))
    assert config.capture.existing == "reset"
    assert (config.capture.table_size, config.capture.passthrough_patience_ms) == (1024, 300)
    assert config.capture.warm_ms == 0
    assert config.keys.ciphers == (Cipher.AES_GCM_256, Cipher.AES_GCM_128)
    assert config.providers() == ("quartz", "zircon")
    web, curl = config.rules
    assert web.match.ports == ((80, 80), (8000, 8100))
    assert web.match.cidrs == (IPv4Network("10.0.0.0/8"), IPv6Network("fd00::1/128"))
    assert (web.mode, curl.mode, curl.provider) == (Mode.REQUIRE, Mode.BYPASS, "zircon")
    assert (web.passthrough, curl.passthrough) == ("tls", None)
    assert config.events.sinks == ("log", "jsonl")
    assert config.control.socket == tmp_path / "run" / "control.sock"
    assert any("keys.log" in notice for notice in config.notices)


def test_minimal_file_has_defaults(tmp_path: Path) -> None:
    config = load(write(tmp_path, MINIMAL + '[peering]\nnode = "node-b"\n'))
    identity = config.identity()
    assert (identity.node, identity.port, identity.any_node) == ("node-b", 4646, False)
    assert (identity.cert, identity.key) == (tmp_path / "node-b.pem", tmp_path / "node-b-key.pem")
    assert identity.ca == tmp_path / "ca.pem"
    assert config.keys.allowed == {"quartz"}
    assert config.keys.ciphers == (Cipher.AES_GCM_128,)
    assert config.capture.table_size == 65536
    assert config.control.socket == Path("/run/tlshub-capture/control.sock")
    assert "no connection is captured" in config.notices[0]


def test_relative_paths_are_taken_from_the_files_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, FULL)
    monkeypatch.chdir(tmp_path)
    config = load(Path("capture.toml"))
    assert config.identity().cert == tmp_path / "pki" / "node.pem"
    assert config.identity().key == Path("/keys/node.pem")
    assert config.debug.keylog_file == tmp_path / "keys.log"
    assert config.report.folder == tmp_path / "reports"


def test_mapped_networks_become_ipv4(tmp_path: Path) -> None:
    rule = "[[rule]]\nname = 'a'\nmode = 'prefer'\nmatch = { cidrs = ['::ffff:10.0.0.0/104'] }\n"
    assert load(write(tmp_path, MINIMAL + rule)).rules[0].match.cidrs == (IPv4Network("10.0.0.0/8"),)


def test_default_file_is_the_first_that_exists(tmp_path: Path) -> None:
    first, second = tmp_path / "capture.toml", tmp_path / "capture.conf"
    with pytest.raises(ConfigError, match=r"capture.toml': not found, nor '.*capture.conf': write one"):
        default_file((first, second))
    second.write_text("")
    assert default_file((first, second)) == second
    first.write_text("")
    assert default_file((first, second)) == first


def test_overrides_come_before_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "[[rule]]\nname = 'a'\nmode = 'prefer'\n")
    config = load(path, provider="zircon", backend="glass", rules=[rule_from_option("80:require")])
    assert (config.keys.provider, config.capture.backend) == ("zircon", "glass")
    assert [rule.name for rule in config.rules] == ["80:require", "a"]
