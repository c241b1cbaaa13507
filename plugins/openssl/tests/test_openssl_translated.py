# SPDX-License-Identifier: Apache-2.0
"""Promised by one address, come by another: under 'prefer' such a connection is not taken for a stranger's."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from tlshub_core.api import Flow, Mode, Reason, State, Unavailable
from tlshub_core.testing import pair as pairs
from tlshub_core.testing.pair import Pair

Nodes = Callable[..., Pair]


def accepted(flow: Flow, how: str, wait_s: float) -> Flow:
    """The accepting end of it, as it looks behind what translates."""
    flow = replace(flow, mode=Mode.PREFER, deadline_ns=time.monotonic_ns() + int(wait_s * 1e9))
    if how == "source":
        return replace(flow, client=replace(flow.client, address=IPv4Address("10.9.9.9"), port=50_001))
    server = replace(flow.server, address=IPv4Address("10.2.0.9"), port=8080 if how == "both" else flow.server.port)
    client = replace(flow.client, address=IPv4Address("10.9.9.9")) if how == "both" else flow.client
    return replace(flow, client=client, server=server)


@pytest.mark.parametrize("how", ["source", "destination", "both"])
async def test_it_is_asked_already_and_so_never_in_clear(nodes: Nodes, how: str) -> None:
    pair = nodes(stranger_grace_s=0.05, translated_s=1.0)
    await pair.start()
    client, server = pairs.flows(40_001)
    (await pair.client.prepare(client)).discard()
    server = accepted(server, how, wait_s=1.3)  # longer than a promise is fresh: it was when the connection came
    with pytest.raises(Unavailable) as caught:
        await pair.server.prepare(server)
    assert caught.value.reason is Reason.NOT_YOURS
    assert pair.server_agent.states[server.id] is State.ASKED


async def test_a_stranger_is_one_where_nothing_like_it_was_promised(nodes: Nodes) -> None:
    pair = nodes(stranger_grace_s=0.05)
    await pair.start()
    (await pair.client.prepare(pairs.flows(40_001)[0])).discard()
    server = accepted(pairs.flows(40_002)[1], "destination", wait_s=0.6)
    with pytest.raises(Unavailable) as caught:
        await pair.server.prepare(server)
    assert caught.value.reason is Reason.PEER_UNREACHABLE
    assert server.id not in pair.server_agent.states
