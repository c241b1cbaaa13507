# SPDX-License-Identifier: Apache-2.0
"""What every mapping source must pass: subclass `MappingSourceConformance`, name it `Test…`, set `spec`, and say how
to make a store (a file, a folder, a server of your own) that knows certain pods, and one that cannot be read."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import ClassVar

import pytest

from tlshub_core.api import ConfigError, Level, MappingSource, MappingSourceSpec, Node, Pod
from tlshub_core.testing.conformance import Conformance, check_probe, opt_in

WEB, API = IPv4Address("10.0.0.1"), IPv6Address("fd00::2")


def pod(name: str, node: str, address: str = "", node_address: str = "") -> Pod:
    """A pod from texts; empty ones are unknown addresses."""
    where = Node(name=node, address=ip_address(node_address) if node_address else None)
    return Pod(name=name, node=where, address=ip_address(address) if address else None)


class MappingSourceConformance(Conformance):
    """Tests of a mapping source over its real backing store; `write` and `spoil` change that store.

    Features: 'addressless' (the store may know a pod by its name only), 'installed'.
    """

    spec: ClassVar[MappingSourceSpec]

    def options(self, folder: Path) -> dict[str, object]:
        """The plugin's table for a store in `folder`."""
        raise NotImplementedError("say which options a source over the store in 'folder' has: override 'options'")

    def write(self, folder: Path, pods: Sequence[Pod]) -> None:
        """Make the store know exactly these pods."""
        raise NotImplementedError("say how the store is filled: override 'write'")

    def spoil(self, folder: Path) -> None:
        """Make the store one that cannot be read."""
        raise NotImplementedError("say how the store becomes one that cannot be read: override 'spoil'")

    @pytest.fixture
    def source(self, tmp_path: Path) -> MappingSource:
        """A source over a store with two pods, not started."""
        self.write(tmp_path, [pod("web", "node-a", str(WEB), "192.0.2.1"), pod("api", "node-b", str(API))])
        return self.spec.factory(self.spec.config.model_validate(self.options(tmp_path)))

    def run(self, source: MappingSource, test: Callable[[], Awaitable[None]]) -> None:
        """One test with a started source."""

        async def started() -> None:
            await source.start()
            try:
                await test()
            finally:
                await source.stop()

        asyncio.run(started())

    def test_finds_by_address_and_by_name(self, source: MappingSource) -> None:
        async def test() -> None:
            web, api = source.by_address(WEB), source.by_address(API)
            assert web == pod("web", "node-a", str(WEB), "192.0.2.1"), "'by_address' finds a pod by its IPv4 address"
            assert api == pod("api", "node-b", str(API)), "'by_address' finds a pod by its IPv6 address"
            assert source.by_name("web") == web, "'by_name' finds the same pod by its name"
            assert {one.name for one in source.pods()} == {"web", "api"}, "'pods' has all of them"

        self.run(source, test)

    def test_unknown_is_none(self, source: MappingSource) -> None:
        async def test() -> None:
            assert source.by_address(IPv4Address("10.9.9.9")) is None, "an unknown address is None, never a guess"
            assert source.by_name("nobody") is None, "an unknown name is None"

        self.run(source, test)

    def test_mapped_address_is_the_ipv4_one(self, source: MappingSource) -> None:
        async def test() -> None:
            found = source.by_address(IPv6Address(f"::ffff:{WEB}"))
            assert found == source.by_address(WEB), f"'::ffff:{WEB}' is '{WEB}' as a dual-stack socket shows it"

        self.run(source, test)

    def test_reload_takes_the_new_table(self, source: MappingSource, tmp_path: Path) -> None:
        async def test() -> None:
            self.write(tmp_path, [pod("web", "node-c", "10.0.0.7")])
            await source.reload()
            assert source.by_address(WEB) is None, "'reload' forgets what the store does not know any more"
            assert source.by_address(IPv4Address("10.0.0.7")) == pod("web", "node-c", "10.0.0.7")

        self.run(source, test)

    def test_failed_reload_keeps_the_old_table(self, source: MappingSource, tmp_path: Path) -> None:
        async def test() -> None:
            before = list(source.pods())
            self.spoil(tmp_path)
            with pytest.raises(ConfigError):
                await source.reload()
            assert list(source.pods()) == before, "a 'reload' that fails changes nothing"
            assert source.by_address(WEB) is not None, "a 'reload' that fails changes nothing"

        self.run(source, test)

    def test_start_fails_on_a_spoilt_store(self, source: MappingSource, tmp_path: Path) -> None:
        self.spoil(tmp_path)
        with pytest.raises(ConfigError):
            asyncio.run(source.start())

    def test_probe_tells_and_changes_nothing(self, source: MappingSource, tmp_path: Path) -> None:
        good = asyncio.run(source.probe())
        check_probe(good)
        assert good.level is not Level.FAILED, f"the store is in order, and 'probe' failed: {good.message}"
        assert list(source.pods()) == [], "'probe' has no side effects: pods are known after 'start'"

    def test_probe_of_a_spoilt_store_fails(self, source: MappingSource, tmp_path: Path) -> None:
        self.spoil(tmp_path)
        bad = asyncio.run(source.probe())
        check_probe(bad)
        assert bad.level is Level.FAILED, "the store cannot be read, and 'probe' does not say so"

    def test_stop_can_be_repeated_and_come_first(self, source: MappingSource) -> None:
        async def test() -> None:
            await source.stop()

        asyncio.run(source.stop())
        self.run(source, test)

    @opt_in("addressless")
    def test_pod_without_address_is_known_by_name_only(self, source: MappingSource, tmp_path: Path) -> None:
        self.write(tmp_path, [pod("lone", "node-a")])

        async def test() -> None:
            assert source.by_name("lone") == pod("lone", "node-a")

        self.run(source, test)
