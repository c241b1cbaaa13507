# SPDX-License-Identifier: Apache-2.0
"""What every key provider must pass: subclass `KeyProviderConformance`, name it `Test…`, and set `spec`.

The tests run their own event loop, so that no plugin of pytest is needed. A provider that does not talk to another
agent on loopback overrides `make_pair`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import ClassVar

import pytest

from tlshub_core.testing import pair as pairs
from tlshub_core.testing.exchanges import ISNS, agreed, plain, prepared, started
from tlshub_core.testing.pair import Pair
from tlshub_core.types.errors import TlshubError
from tlshub_core.types.interfaces import KeyProvider, Probe
from tlshub_core.types.spec import KeyProviderSpec

LIMIT_S = 60.0


class KeyProviderConformance:
    """Both ends get equal keys, no two flows the same, nothing shows them, everything can be given up."""

    spec: ClassVar[KeyProviderSpec]

    def options(self, listen: str) -> dict[str, object]:
        """The provider's options in the tests; `listen` is the loopback address of its node."""
        return {"listen": listen}

    def make_pair(self, folder: Path) -> Pair:
        """Two providers that are not started yet, on two nodes."""
        identities = pairs.identities(folder, pairs.free_port())
        agents = [pairs.agent(identity, self.spec.name) for identity in identities]
        client, server = (self._make(str(node.address)) for node in (pairs.CLIENT_NODE, pairs.SERVER_NODE))
        return Pair(client=client, server=server, client_agent=agents[0], server_agent=agents[1])

    def _make(self, listen: str) -> KeyProvider:
        provider: KeyProvider = self.spec.factory(self.spec.config(**self.options(listen)))
        return provider

    def run(self, folder: Path, test: Callable[[Pair], Awaitable[None]]) -> None:
        """Run one test with a started pair, bounded in time."""

        async def bounded() -> None:
            async with asyncio.timeout(LIMIT_S), started(self.make_pair(folder)) as pair:
                await test(pair)

        asyncio.run(bounded())

    def test_spec_describes_itself(self) -> None:
        assert self.spec.name
        assert self.spec.name == self.spec.name.strip().lower()
        assert self.spec.summary
        assert "\n" not in self.spec.summary
        assert self.spec.families

    def test_unknown_option_is_refused(self) -> None:
        with pytest.raises(ValueError, match="no_such_option"):
            self.spec.config(no_such_option=1)

    def test_probe_answers_before_and_after_start(self, tmp_path: Path) -> None:
        assert isinstance(asyncio.run(self.make_pair(tmp_path / "a").client.probe()), Probe)

        async def test(pair: Pair) -> None:
            assert isinstance(await pair.client.probe(), Probe)

        self.run(tmp_path / "b", test)

    def test_stop_can_be_repeated(self, tmp_path: Path) -> None:
        async def test(pair: Pair) -> None:
            await pair.stop()
            await pair.stop()

        self.run(tmp_path, test)

    def test_both_sides_get_equal_keys(self, tmp_path: Path) -> None:
        async def test(pair: Pair) -> None:
            client, server = await agreed(pair, *pairs.flows(40_001))
            assert plain(client) == plain(server)
            assert len(set(plain(client)[1::4])) == 2

        self.run(tmp_path, test)

    def test_no_two_flows_share_a_key(self, tmp_path: Path) -> None:
        async def test(pair: Pair) -> None:
            keys = [await agreed(pair, *pairs.flows(port)) for port in (40_001, 40_002, 40_001)]
            seen = [bytes(way.key) for one, _ in keys for way in (one.client_to_server, one.server_to_client)]
            assert len(set(seen)) == 6

        self.run(tmp_path, test)

    def test_keys_are_not_in_any_repr(self, tmp_path: Path) -> None:
        async def test(pair: Pair) -> None:
            pending, other = await prepared(pair, *pairs.flows(40_001))
            before = repr(pending)
            keys = await pending.keys(ISNS, None)
            shown = before + repr(pending) + repr(keys) + repr(pair.client) + repr(pair.client_agent.events)
            for way in (keys.client_to_server, keys.server_to_client):
                assert bytes(way.key).hex() not in shown
                assert repr(bytes(way.key))[2:-1] not in shown
            other.discard()

        self.run(tmp_path, test)

    def test_keys_are_given_once(self, tmp_path: Path) -> None:
        async def test(pair: Pair) -> None:
            for pending in await prepared(pair, *pairs.flows(40_001)):
                await pending.keys(ISNS, None)
                with pytest.raises(TlshubError):
                    await pending.keys(ISNS, None)

        self.run(tmp_path, test)

    def test_discard_can_be_repeated_and_ends_it(self, tmp_path: Path) -> None:
        async def test(pair: Pair) -> None:
            for pending in await prepared(pair, *pairs.flows(40_001)):
                pending.discard()
                pending.discard()
                with pytest.raises(TlshubError):
                    await pending.keys(ISNS, None)

        self.run(tmp_path, test)

    def test_prepare_can_be_cancelled(self, tmp_path: Path) -> None:
        async def test(pair: Pair) -> None:
            client, server = pairs.flows(40_001)
            waiting = asyncio.ensure_future(pair.server.prepare(server))
            await asyncio.sleep(0.05)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            one, two = await agreed(pair, client, server)
            assert plain(one) == plain(two)

        self.run(tmp_path, test)
