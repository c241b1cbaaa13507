# SPDX-License-Identifier: Apache-2.0
"""Key providers that each break what one conformance test wants about promises."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

from tests.unit.testing.sound import Sound
from tlshub_core.api import Cipher, Flow, Reason, Refused
from tlshub_core.testing import DeterministicProvider
from tlshub_core.testing.deterministic_keys import DeterministicPending

Agreed = tuple[int, Cipher]


class TestNeverAsks(Sound):
    breaks = "test_a_flow_that_is_decided_is_not_asked_for"
    also = ("test_the_peer_has_promised_when_prepare_returns",)

    class Provider(DeterministicProvider):
        async def prepare(self, flow: Flow) -> DeterministicPending:
            if flow.remote is flow.client:
                return await super().prepare(flow)
            return DeterministicPending(*await self.peer(flow).promise(flow))


class TestAsksWhenThePeerIsTold(Sound):
    breaks = "test_a_flow_that_is_decided_is_not_asked_for"

    class Provider(DeterministicProvider):
        async def prepare(self, flow: Flow) -> DeterministicPending:
            if flow.remote is flow.client:
                return await super().prepare(flow)
            agreed = await self.peer(flow).promise(flow)
            await self.running().ask(flow)
            return DeterministicPending(*agreed)


class TestNeverPromises(Sound):
    breaks = "test_the_peer_has_promised_when_prepare_returns"
    also = ("test_a_refusal_by_the_peer_comes_back_as_one",)

    class Provider(DeterministicProvider):
        async def promise(self, flow: Flow) -> Agreed:
            agreed = next(self.meeting.numbers), self.running().ciphers[0]
            self.offer(flow.tuple, DeterministicPending(*agreed))
            return agreed


class TestRefusalAsItsOwn(Sound):
    breaks = "test_a_refusal_by_the_peer_comes_back_as_one"

    class Provider(DeterministicProvider):
        async def promise(self, flow: Flow) -> Agreed:
            try:
                return await super().promise(flow)
            except Refused as error:
                raise Refused(str(error), error.reason) from error


class TestSilenceAsARefusal(Sound):
    breaks = "test_a_peer_that_is_gone_is_unavailable"

    class Provider(DeterministicProvider):
        def peer(self, flow: Flow) -> DeterministicProvider:
            if flow.peer is None or flow.peer.name not in self.meeting.nodes:
                raise Refused("nobody there", Reason.PEER_UNREACHABLE, by_peer=True)
            return super().peer(flow)


class TestAsksForNobody(Sound):
    breaks = "test_a_peer_that_went_is_not_asked_for_ever"

    class Provider(DeterministicProvider):
        async def prepare(self, flow: Flow) -> DeterministicPending:
            if flow.remote is flow.server:
                await self.running().ask(flow)
                flow = replace(flow, id=uuid4())
            return await super().prepare(flow)


class TestLeavesWithoutAWord(Sound):
    breaks = "test_a_flow_that_both_leave_alone_is_never_asked_for"
    also = (
        "test_a_peer_that_does_not_leave_it_alone_refuses",
        "test_the_peer_is_told_why_it_leaves_a_connection_alone",
    )

    class Provider(DeterministicProvider):
        async def leave(self, flow: Flow, reason: Reason = Reason.PASSTHROUGH) -> None:
            """Tells nobody."""


class TestLeavesWhatItAskedFor(Sound):
    breaks = "test_a_flow_that_both_leave_alone_is_never_asked_for"

    class Provider(DeterministicProvider):
        async def leave(self, flow: Flow, reason: Reason = Reason.PASSTHROUGH) -> None:
            await self.running().ask(flow)
            await super().leave(flow, reason)


class TestLeavesForNoReason(Sound):
    breaks = "test_the_peer_is_told_why_it_leaves_a_connection_alone"

    class Provider(DeterministicProvider):
        async def leave(self, flow: Flow, reason: Reason = Reason.PASSTHROUGH) -> None:
            await super().leave(flow)


class TestLeavesAgainstThePeersWill(Sound):
    breaks = "test_a_peer_that_does_not_leave_it_alone_refuses"

    class Provider(DeterministicProvider):
        async def leave(self, flow: Flow, reason: Reason = Reason.PASSTHROUGH) -> None:
            try:
                await super().leave(flow, reason)
            except Refused:
                self.running().log.debug("never mind")
