# SPDX-License-Identifier: Apache-2.0
"""Key providers that each break what one conformance test wants about giving up."""

from __future__ import annotations

import asyncio
from socket import socket

from tests.unit.testing.sound import Sound
from tlshub_core.api import AgentContext, Cipher, Flow, FlowKeys, Isns, Tuple4
from tlshub_core.testing import DeterministicProvider
from tlshub_core.testing.deterministic_keys import DeterministicPending


class TestStopTwice(Sound):
    breaks = "test_stop_can_be_repeated_and_come_first"
    also = (  # stopped once more at their end
        "test_stop_ends_what_waits",
        "test_a_peer_that_is_gone_is_unavailable",
        "test_a_peer_that_went_is_not_asked_for_ever",
    )

    class Provider(DeterministicProvider):
        stops = 0

        async def stop(self) -> None:
            self.stops += 1
            if self.stops > 1:
                raise RuntimeError("stopped already")
            await super().stop()


class TestStopFirst(Sound):
    breaks = "test_stop_can_be_repeated_and_come_first"

    class Provider(DeterministicProvider):
        begun = False

        async def start(self, agent: AgentContext) -> None:
            self.begun = True
            await super().start(agent)

        async def stop(self) -> None:
            if not self.begun:
                raise RuntimeError("not started")
            await super().stop()


class TestLeavesWaiting(Sound):
    breaks = "test_stop_ends_what_waits"

    class Provider(DeterministicProvider):
        async def stop(self) -> None:
            self._waiting.clear()
            await super().stop()


class Endless(DeterministicPending):
    """Gives its keys until it is discarded."""

    async def keys(self, isns: Isns, sock: socket | None) -> FlowKeys:
        number = self._number
        keys = await super().keys(isns, sock)
        self._number = number
        return keys


class Kept(DeterministicPending):
    """Discards nothing."""

    def discard(self) -> None:
        pass


class Once(DeterministicPending):
    """Is discarded once."""

    discarded = False

    def discard(self) -> None:
        if self.discarded:
            raise RuntimeError("discarded already")
        self.discarded = True
        super().discard()


class WithPending(DeterministicProvider):
    """Its pending keys are of another class."""

    pending: type[DeterministicPending]

    async def prepare(self, flow: Flow) -> DeterministicPending:
        found = await super().prepare(flow)
        return self.pending(found._number or 0, found._cipher)


class TestKeysTwice(Sound):
    breaks = "test_keys_are_given_once"

    class Provider(WithPending):
        pending = Endless


class TestDiscardKeeps(Sound):
    breaks = "test_discard_can_be_repeated_and_ends_it"

    class Provider(WithPending):
        pending = Kept


class TestDiscardOnce(Sound):
    breaks = "test_discard_can_be_repeated_and_ends_it"

    class Provider(WithPending):
        pending = Once


class TestCancelledKeepsItsPlace(Sound):
    breaks = "test_prepare_can_be_cancelled"

    class Provider(DeterministicProvider):
        async def take(self, tuple4: Tuple4) -> DeterministicPending:
            try:
                return await super().take(tuple4)
            except asyncio.CancelledError:
                self._offers[tuple4] = DeterministicPending(1 << 40, Cipher.AES_GCM_128)
                raise


class TestCannotBeCancelled(Sound):
    breaks = "test_prepare_can_be_cancelled"

    class Provider(DeterministicProvider):
        async def take(self, tuple4: Tuple4) -> DeterministicPending:
            try:
                return await super().take(tuple4)
            except asyncio.CancelledError:
                return DeterministicPending(next(self.meeting.numbers), Cipher.AES_GCM_128)
