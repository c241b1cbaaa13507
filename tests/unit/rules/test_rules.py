# SPDX-License-Identifier: Apache-2.0
"""Rules to rows: the cross product, sides, pods, the implied rule, the limit."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

import pytest

from tests.unit.rules.pods import PODS
from tlshub_core.api import ConfigError, Mode, Side
from tlshub_core.config import Config, load
from tlshub_core.pipeline.rules import compile_rules
from tlshub_core.testing.memory import MemoryMapping


def _config(folder: Path, *rules: str) -> Config:
    path = folder / "capture.toml"
    tables = [f"[[rule]]\nname = 'rule-{number}'\n{rule}\n" for number, rule in enumerate(rules)]
    path.write_text("[keys]\nprovider = 'quartz'\n" + "".join(tables))
    return load(path)


def test_rows_are_ports_by_networks_in_order(tmp_path: Path) -> None:
    rules = compile_rules(
        _config(
            tmp_path,
            "mode = 'require'\nmatch = { ports = [80, '90-99'], cidrs = ['10.0.0.0/8', 'fd00::/8'], direction = 'in' }",
            "mode = 'bypass'",
        ),
        None,
    )
    assert rules.names == ("rule-0", "rule-1")
    assert [(row.rule, row.ports, str(row.network)) for row in rules.matches] == [
        (0, (80, 80), "10.0.0.0/8"), (0, (80, 80), "fd00::/8"), (0, (90, 99), "10.0.0.0/8"),
        (0, (90, 99), "fd00::/8"), (1, (1, 65535), "None"),
    ]  # fmt: skip
    assert {row.mode for row in rules.matches[:4]} == {Mode.REQUIRE}
    assert rules.matches[4].mode is Mode.BYPASS


@pytest.mark.parametrize(
    ("direction", "sides"), [("in", {Side.SERVER}), ("out", {Side.CLIENT}), ("both", {Side.CLIENT, Side.SERVER})]
)
def test_directions_are_sides(tmp_path: Path, direction: str, sides: set[Side]) -> None:
    config = _config(tmp_path, f"mode = 'prefer'\nmatch = {{ direction = '{direction}' }}")
    assert compile_rules(config, None).matches[0].sides == sides


def test_process_is_carried(tmp_path: Path) -> None:
    config = _config(tmp_path, "mode = 'prefer'\nmatch = { direction = 'out', process = 'curl' }")
    assert compile_rules(config, None).matches[0].comm == "curl"


def test_pods_become_addresses_beside_networks(tmp_path: Path) -> None:
    config = _config(tmp_path, "mode = 'require'\nmatch = { pods = ['web', 'api'], cidrs = ['10.0.0.3'] }")
    assert [row.network for row in compile_rules(config, MemoryMapping(PODS)).matches] == [
        IPv4Network("10.0.0.3/32"), IPv4Network("10.0.0.2/32"), IPv6Network("fd00::2/128")
    ]  # fmt: skip


@pytest.mark.parametrize("mode", ["require", "prefer", "observe", "bypass"])
@pytest.mark.parametrize(
    ("pod", "mapping", "message"),
    [
        ("web", None, "there is no mapping that could know pods: set 'source' in '[mapping]'"),
        ("none", MemoryMapping(PODS), "pod 'none' is not in the mapping"),
        ("lone", MemoryMapping(PODS), "the mapping knows no address of pod 'lone', so the rule would match nothing"),
    ],
)
def test_a_pod_without_address_is_an_error(
    tmp_path: Path, mode: str, pod: str, mapping: MemoryMapping | None, message: str
) -> None:
    config = _config(tmp_path, f"mode = '{mode}'\nmatch = {{ pods = ['web', '{pod}'] }}")
    with pytest.raises(ConfigError) as caught:
        compile_rules(config, mapping)
    assert f"table '[[rule]]', key 'match.pods': rule 'rule-0': {message}" in str(caught.value)


def test_256_rows_and_no_more(tmp_path: Path) -> None:
    ports = ", ".join(str(port) for port in range(1, 256))
    full = _config(tmp_path, f"mode = 'prefer'\nmatch = {{ ports = [{ports}] }}", "mode = 'observe'")
    assert len(compile_rules(full, None).matches) == 256
    over = _config(tmp_path, f"mode = 'prefer'\nmatch = {{ ports = [{ports}] }}", "mode = 'observe'", "mode = 'bypass'")
    with pytest.raises(ConfigError) as caught:
        compile_rules(over, None)
    assert "rule 'rule-2' needs row number 257 of 257, but there is room for 256" in str(caught.value)


def _legacy(folder: Path) -> Config:
    (folder / "capture.conf").write_text("mode = openssl\npod_node_config = /nowhere\n")
    return load(folder / "capture.conf")


def test_implied_rule_prefers_what_the_mapping_knows(tmp_path: Path) -> None:
    rules = compile_rules(_legacy(tmp_path), MemoryMapping(PODS))
    assert rules.names == ("implied",)
    assert [(row.mode, str(row.network)) for row in rules.matches] == [
        (Mode.PREFER, "10.0.0.2/31"), (Mode.PREFER, "fd00::2/128")
    ]  # fmt: skip
    assert all(row.sides == {Side.CLIENT, Side.SERVER} and row.ports == (1, 65535) for row in rules.matches)


@pytest.mark.parametrize("mapping", [None, MemoryMapping(), MemoryMapping((PODS[3],))])
def test_implied_rule_observes_where_no_address_is_known(tmp_path: Path, mapping: MemoryMapping | None) -> None:
    (row,) = compile_rules(_legacy(tmp_path), mapping).matches
    assert (row.mode, row.network) == (Mode.OBSERVE, None)


def test_no_rules_is_an_empty_set(tmp_path: Path) -> None:
    assert compile_rules(_config(tmp_path), None).matches == ()
