# SPDX-License-Identifier: Apache-2.0
"""The mapping file: conformance, every error with its line, and arbitrary text."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tlshub_capture_podmap_file import tlshub_mapping_sources
from tlshub_capture_podmap_file.table import Table, parse

from tlshub_core.api import Address, ConfigError, Pod
from tlshub_core.testing import MappingSourceConformance


class TestConformance(MappingSourceConformance):
    spec = tlshub_mapping_sources()[0]
    supports = ("addressless", "installed")

    def options(self, folder: Path) -> dict[str, object]:
        return {"path": str(folder / "map")}

    def write(self, folder: Path, pods: Sequence[Pod]) -> None:
        lines = [f"{pod.name} {pod.node.name} {pod.node.address or '-'} {pod.address or '-'}" for pod in pods]
        (folder / "map").write_text("\n".join(lines))

    def spoil(self, folder: Path) -> None:
        (folder / "map").write_text("web node-a 10.0.0.300\n")


def test_files_of_the_original_load_unchanged() -> None:
    table = parse("# format: pod_name node_name\n\nweb-pod-1 node-1\ndb-pod-1\tnode-3 192.168.1.3\n# end", "map")
    assert [(pod.name, pod.node.name, pod.address) for pod in table.pods] == [
        ("web-pod-1", "node-1", None),
        ("db-pod-1", "node-3", None),
    ]
    assert table.by_name["db-pod-1"].node.address == IPv4Address("192.168.1.3")
    assert not table.by_address


def test_dual_stack_pod_and_node() -> None:
    table = parse("web a 192.0.2.1,fd00::a 10.0.0.1,::ffff:10.0.0.2,fd00::1 # two families\r\n", "map")
    addresses: list[Address] = [IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2"), IPv6Address("fd00::1")]
    assert [pod.address for pod in table.pods] == addresses
    assert all(table.by_address[address].name == "web" for address in addresses)
    assert table.by_name["web"].address == addresses[0]
    assert table.pods[2].node.address == IPv4Address("192.0.2.1")


def test_node_address_from_any_of_its_lines() -> None:
    table = parse("one a\ntwo a 192.0.2.1\nthree a -", "map")
    assert {pod.node.address for pod in table.pods} == {IPv4Address("192.0.2.1")}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("web", "'map': line 1: 1 columns, expected 'pod_name node_name [node_ip] [pod_ip]'"),
        ("\na b - 10.0.0.1 extra", "'map': line 2: 5 columns, expected 'pod_name node_name [node_ip] [pod_ip]'"),
        ("w a\nw b", "'map': line 2: pod 'w' is listed twice: put all its addresses on one line"),
        ("w a - 10.0.0.1\nv a - ::ffff:10.0.0.1", "'map': line 2: address '10.0.0.1' is already that of pod 'w'"),
        ("w a - 10.0.0.1,10.0.0.1", "'map': line 1: address '10.0.0.1' is already that of pod 'w'"),
        ("w a 192.0.2.1\nv a 192.0.2.2", "'map': line 2: node 'a' has another address than above, '192.0.2.1'"),
        ("w a 10.0.0", "'map': line 1: '10.0.0' is no address: expected such as '10.0.0.1', 'fd00::1' or '-'"),
        ("w a - 10.0.0.1,", "'map': line 1: '' is no address: expected such as '10.0.0.1', 'fd00::1' or '-'"),
        (
            "w a - fe80::1%eth0",
            "'map': line 1: 'fe80::1%eth0' has a zone, which means nothing on another node: leave it out",
        ),
        ("w a 0.0.0.0", "'map': line 1: '0.0.0.0' is no address of one machine"),
        ("w a - ff02::1", "'map': line 1: 'ff02::1' is no address of one machine"),
        ("- a", "'map': line 1: a name is '-' or has unprintable characters"),
        ("w\x00 a", "'map': line 1: a name is '-' or has unprintable characters"),
    ],
)
def test_errors_name_file_and_line(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, "map")
    assert str(caught.value) == message


_PIECES = st.sampled_from(["web", "api", "node-a", "-", "10.0.0.1", "fd00::1", "::ffff:10.0.0.1", ",", "#", " ", "\n"])


def _outcome(text: str) -> Table | str:
    try:
        return parse(text, "map")
    except ConfigError as error:
        return str(error)


@given(st.one_of(st.text(), st.lists(_PIECES).map("".join)))
def test_arbitrary_text_gives_a_table_or_a_config_error(text: str) -> None:
    outcome = _outcome(text)
    if isinstance(outcome, str):
        assert outcome.startswith("'map': line ")
        return
    table = outcome
    addresses = [pod.address for pod in table.pods if pod.address is not None]
    assert sorted(map(str, addresses)) == sorted(map(str, table.by_address))
    assert {pod.name for pod in table.pods} == set(table.by_name)
    assert all(address.version == 4 or not address.ipv4_mapped for address in addresses)


_NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True)


_HOSTS = st.ip_addresses(network="10.0.0.0/8") | st.ip_addresses(network="fd00::/8")


@given(st.dictionaries(_HOSTS, _NAMES, max_size=8))
def test_what_is_written_is_found(pods: dict[Address, str]) -> None:
    names = {address: f"{name}-{number}" for number, (address, name) in enumerate(pods.items())}
    table = parse("\n".join(f"{name} node - {address}" for address, name in names.items()), "map")
    for address, name in names.items():
        assert table.by_address[address].name == name


async def test_missing_and_binary_files(tmp_path: Path) -> None:
    spec = tlshub_mapping_sources()[0]
    source = spec.factory(spec.config.model_validate({"path": str(tmp_path / "none")}))
    with pytest.raises(ConfigError, match="none': cannot be read: no such file or directory"):
        await source.start()
    (tmp_path / "none").write_bytes(b"web \xff\n")
    with pytest.raises(ConfigError, match="none': is not UTF-8 text: byte 4 is wrong"):
        await source.start()


async def test_probe_warns_where_no_pod_has_an_address(tmp_path: Path) -> None:
    (tmp_path / "map").write_text("web node-a\n")
    spec = tlshub_mapping_sources()[0]
    probe = await spec.factory(spec.config.model_validate({"path": str(tmp_path / "map")})).probe()
    assert probe.level.value == "warning"
    assert "1 pods with 0 addresses" in probe.message
