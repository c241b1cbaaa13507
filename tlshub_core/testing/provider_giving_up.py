# SPDX-License-Identifier: Apache-2.0
"""The part of a key provider's conformance that is about ending what was begun."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from tlshub_core.testing import pair as pairs
from tlshub_core.testing.exchanges import ISNS, plain, prepared
from tlshub_core.testing.pair import Pair
from tlshub_core.testing.provider_harness import ProviderHarness
from tlshub_core.types.errors import TlshubError
from tlshub_core.types.flow import Flow
from tlshub_core.types.interfaces import Pending


class ProviderGivingUp(ProviderHarness):
    """Keys are given once, a flow can be forgotten, a wait be cancelled, a provider be stopped."""

    def test_stop_can_be_repeated_and_come_first(self) -> None:
        async def test(pair: Pair) -> None:
            await pair.stop()
            await pair.stop()

        asyncio.run(self.make_pair(self.folder / "never").stop())
        self.run(self.folder, test)

    def test_stop_ends_what_waits(self) -> None:
        async def test(pair: Pair) -> None:
            waiting = await _waiting(pair, pairs.flows(40_001)[1])
            await pair.server.stop()
            done, _ = await asyncio.wait([waiting], timeout=self.limit_s / 2)
            assert done, "'stop' leaves a connection waiting in 'prepare' for ever: raise Unavailable there"
            assert isinstance(waiting.exception(), TlshubError), "'prepare' ends with Unavailable when it is stopped"

        self.run(self.folder, test)

    def test_keys_are_given_once(self) -> None:
        async def test(pair: Pair) -> None:
            for pending in await prepared(pair, *pairs.flows(40_001)):
                await pending.keys(ISNS, None)
                assert await _gives_no_keys(pending), "'keys' gives a key a second time: raise Unavailable"

        self.run(self.folder, test)

    def test_discard_can_be_repeated_and_ends_it(self) -> None:
        async def test(pair: Pair) -> None:
            for pending in await prepared(pair, *pairs.flows(40_001)):
                pending.discard()
                pending.discard()
                assert await _gives_no_keys(pending), "after 'discard' there are no keys: raise Unavailable"

        self.run(self.folder, test)

    def test_prepare_can_be_cancelled(self) -> None:
        async def test(pair: Pair) -> None:
            client, server = pairs.flows(40_001)
            waiting = await _waiting(pair, server)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            later = await _waiting(pair, server)
            one = await (await pair.client.prepare(client)).keys(ISNS, None)
            two = await (await later).keys(ISNS, None)
            assert plain(one) == plain(two), "what a cancelled 'prepare' left behind was given to a later one"

        self.run(self.folder, test)


async def _waiting(pair: Pair, flow: Flow) -> asyncio.Task[Pending]:
    """A connection at the server that has begun to wait for its keys."""
    waiting = asyncio.create_task(_prepare(pair, flow))
    await asyncio.sleep(0.05)
    assert not waiting.done(), "'prepare' at the server returned though no client has asked"
    return waiting


async def _prepare(pair: Pair, flow: Flow) -> Pending:
    return await pair.server.prepare(flow)


async def _gives_no_keys(pending: Pending) -> bool:
    with suppress(TlshubError):
        await pending.keys(ISNS, None)
        return False
    return True
