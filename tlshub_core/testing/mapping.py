# SPDX-License-Identifier: Apache-2.0
"""What every mapping source must pass; subclass it in the plugin's tests and say how to make a source."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import pytest
from pydantic import BaseModel

from tlshub_core.api import ConfigError, Level, MappingSource, MappingSourceSpec, Node, Pod, Probe


def pod(name: str, node: str, address: str = "", node_address: str = "") -> Pod:
    """A pod from texts; empty ones are unknown addresses."""
    where = Node(name=node, address=ip_address(node_address) if node_address else None)
    return Pod(name=name, node=where, address=ip_address(address) if address else None)


class MappingSourceConformance:
    """Tests of a mapping source over its real backing store; `write` and `spoil` change that store."""

    def spec(self) -> MappingSourceSpec:
        """The descriptor under test."""
        raise NotImplementedError

    def options(self, folder: Path) -> dict[str, object]:
        """The plugin's table for a store in `folder`."""
        raise NotImplementedError

    def write(self, folder: Path, pods: Sequence[Pod]) -> None:
        """Make the store know exactly these pods."""
        raise NotImplementedError

    def spoil(self, folder: Path) -> None:
        """Make the store one that cannot be read."""
        raise NotImplementedError

    @pytest.fixture
    def source(self, tmp_path: Path) -> MappingSource:
        """A source over a store with two pods, not started."""
        self.write(tmp_path, [pod("web", "node-a", "10.0.0.1", "192.0.2.1"), pod("api", "node-b", "fd00::2")])
        return self.spec().factory(self.spec().config.model_validate(self.options(tmp_path)))

    def test_spec_describes_itself(self) -> None:
        spec = self.spec()
        assert spec.name
        assert spec.summary
        assert issubclass(spec.config, BaseModel)

    def test_unknown_options_are_refused(self, tmp_path: Path) -> None:
        self.spec().config.model_validate(self.options(tmp_path))
        with pytest.raises(ValueError):
            self.spec().config.model_validate({**self.options(tmp_path), "no_such_option": 1})

    async def test_finds_by_address_and_by_name(self, source: MappingSource) -> None:
        await source.start()
        web, api = source.by_address(IPv4Address("10.0.0.1")), source.by_address(IPv6Address("fd00::2"))
        assert web is not None
        assert (web.name, web.node.name, web.node.address) == ("web", "node-a", IPv4Address("192.0.2.1"))
        assert api is not None
        assert (api.name, api.node.name, api.node.address) == ("api", "node-b", None)
        assert source.by_name("web") == web
        assert {one.name for one in source.pods()} == {"web", "api"}
        await source.stop()

    async def test_unknown_is_none(self, source: MappingSource) -> None:
        await source.start()
        assert source.by_address(IPv4Address("10.9.9.9")) is None
        assert source.by_name("nobody") is None
        await source.stop()

    async def test_mapped_address_is_the_ipv4_one(self, source: MappingSource) -> None:
        await source.start()
        found = source.by_address(IPv6Address("::ffff:10.0.0.1"))
        assert found is not None
        assert found.name == "web"
        await source.stop()

    async def test_pod_without_address_is_known_by_name_only(self, source: MappingSource, tmp_path: Path) -> None:
        self.write(tmp_path, [pod("lone", "node-a")])
        await source.start()
        lone = source.by_name("lone")
        assert lone is not None
        assert lone.address is None
        await source.stop()

    async def test_reload_takes_the_new_table(self, source: MappingSource, tmp_path: Path) -> None:
        await source.start()
        self.write(tmp_path, [pod("web", "node-c", "10.0.0.7")])
        await source.reload()
        assert source.by_address(IPv4Address("10.0.0.1")) is None
        moved = source.by_address(IPv4Address("10.0.0.7"))
        assert moved is not None
        assert moved.node.name == "node-c"
        await source.stop()

    async def test_failed_reload_keeps_the_old_table(self, source: MappingSource, tmp_path: Path) -> None:
        await source.start()
        before = list(source.pods())
        self.spoil(tmp_path)
        with pytest.raises(ConfigError):
            await source.reload()
        assert list(source.pods()) == before
        assert source.by_address(IPv4Address("10.0.0.1")) is not None
        await source.stop()

    async def test_start_fails_on_a_spoilt_store(self, source: MappingSource, tmp_path: Path) -> None:
        self.spoil(tmp_path)
        with pytest.raises(ConfigError):
            await source.start()

    async def test_probe_tells_and_changes_nothing(self, source: MappingSource, tmp_path: Path) -> None:
        good = await source.probe()
        assert isinstance(good, Probe)
        assert good.level is not Level.FAILED
        assert list(source.pods()) == []
        self.spoil(tmp_path)
        bad = await source.probe()
        assert bad.level is Level.FAILED
        assert bad.remedy
