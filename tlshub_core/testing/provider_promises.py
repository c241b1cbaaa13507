# SPDX-License-Identifier: Apache-2.0
"""The part of a key provider's conformance that is about never having one end in clear and the other in TLS."""

from __future__ import annotations

import pytest

from tlshub_core.testing import pair as pairs
from tlshub_core.testing.conformance import opt_in
from tlshub_core.testing.exchanges import agreed, fails
from tlshub_core.testing.pair import Pair
from tlshub_core.testing.provider_harness import ProviderHarness
from tlshub_core.types.capture import State
from tlshub_core.types.errors import Reason, Refused, Unavailable
from tlshub_core.types.flow import Flow
from tlshub_core.types.interfaces import LeavingProvider


class ProviderPromises(ProviderHarness):
    """The flow is asked first, then the peer is told, then the peer promises."""

    def test_a_flow_that_is_decided_is_not_asked_for(self) -> None:
        async def test(pair: Pair) -> None:
            flow = pairs.flows(40_001)[0]
            pair.client_agent.states[flow.id] = State.CLEAR
            error = await fails(pair, flow)
            assert isinstance(error, Refused), "'prepare' lets the error of 'AgentContext.ask' through, no other one"
            assert not error.by_peer, "'by_peer' is for a refusal by the other node, this one is of this node"
            assert pair.server_agent.expected == [], "the peer is told of a flow before 'AgentContext.ask' allowed it"

        self.run(self.folder, test)

    @opt_in("promises")
    def test_the_peer_has_promised_when_prepare_returns(self) -> None:
        async def test(pair: Pair) -> None:
            flow = pairs.flows(40_001)[0]
            (await pair.client.prepare(flow)).discard()
            asked, promised = pair.client_agent.states.get(flow.id), pair.server_agent.expected
            assert asked is State.ASKED, "'AgentContext.ask' comes before the peer is told of a flow"
            assert promised == [flow.tuple], "the peer calls 'AgentContext.expect' with the tuple before it answers"

        self.run(self.folder, test)

    @opt_in("promises")
    def test_a_refusal_by_the_peer_comes_back_as_one(self) -> None:
        async def test(pair: Pair) -> None:
            pair.server_agent.refuse = Reason.NO_RULE
            error = await fails(pair, pairs.flows(40_001)[0])
            assert isinstance(error, Refused) and error.by_peer, "what the peer refused is 'Refused(..., by_peer=True)'"
            assert error.reason is Reason.NO_RULE, "the reason of a refusal is the one that the peer gave"

        self.run(self.folder, test)

    @opt_in("promises")
    def test_a_peer_that_is_gone_is_unavailable(self) -> None:
        async def test(pair: Pair) -> None:
            await pair.server.stop()
            error = await fails(pair, pairs.flows(40_001)[0])
            assert isinstance(error, Unavailable), "no answer is 'Unavailable': only the peer itself can refuse"

        self.run(self.folder, test)

    @opt_in("promises")
    def test_a_peer_that_went_is_not_asked_for_ever(self) -> None:
        async def test(pair: Pair) -> None:
            await agreed(pair, *pairs.flows(40_001))
            await pair.server.stop()
            await fails(pair, pairs.flows(40_002)[0])
            flow = pairs.flows(40_003)[0]
            await fails(pair, flow)
            asked = flow.id in pair.client_agent.states
            assert not asked, "it is known that the peer is gone: without 'AgentContext.ask', 'prefer' can release"

        self.run(self.folder, test)

    @opt_in("passthrough")
    def test_a_flow_that_both_leave_alone_is_never_asked_for(self) -> None:
        async def test(pair: Pair) -> None:
            flow = pairs.flows(40_001)[0]
            await _leave(pair, flow)
            assert pair.server_agent.left == [flow.tuple], "the peer calls 'AgentContext.leave' before it answers"
            assert not pair.client_agent.states, "'leave' may not move the flow with 'AgentContext.ask'"
            assert not pair.server_agent.expected, "a flow that is left alone is not promised to be KTLS"

        self.run(self.folder, test)

    @opt_in("passthrough")
    def test_the_peer_is_told_why_it_leaves_a_connection_alone(self) -> None:
        async def test(pair: Pair) -> None:
            told = {Reason.MPTCP: pairs.flows(40_001)[0], Reason.PASSTHROUGH: pairs.flows(40_002)[0]}
            for reason, flow in told.items():
                await _leave(pair, flow, reason)
            expected = {flow.tuple: reason for reason, flow in told.items()}
            assert pair.server_agent.left_for == expected, "the peer gives 'AgentContext.leave' the reason, too"

        self.run(self.folder, test)

    @opt_in("passthrough")
    def test_a_peer_that_does_not_leave_it_alone_refuses(self) -> None:
        async def test(pair: Pair) -> None:
            pair.server_agent.leaves = False
            with pytest.raises(Refused) as caught:
                await _leave(pair, pairs.flows(40_001)[0])
            assert caught.value.by_peer, "what the peer refused is 'Refused(..., by_peer=True)'"

        self.run(self.folder, test)


async def _leave(pair: Pair, flow: Flow, reason: Reason = Reason.PASSTHROUGH) -> None:
    provider = pair.client
    assert isinstance(provider, LeavingProvider), "the spec has 'passthrough': the provider needs a method 'leave'"
    await provider.leave(flow, reason)
