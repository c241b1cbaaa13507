# SPDX-License-Identifier: Apache-2.0
"""The timeline of a connection: one, at its end, in the order in which things happened, and absent what did not."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from ipaddress import ip_address

from tlshub_core.pipeline.descriptor import cookie_of
from tlshub_core.testing.node import ISNS, Link, MemoryNode
from tlshub_core.testing.scripted import Script
from tlshub_core.types import events
from tlshub_core.types.capture import State
from tlshub_core.types.errors import Reason, Unavailable
from tlshub_core.types.flow import Mode, Side, Tuple4

ORDER = (
    "syn_ns", "asked_ns", "established_ns", "keys_ns", "tx_ns", "rx_ns", "released_ns", "first_call_ns", "time_ns",
)  # fmt: skip
HERE = ip_address("127.0.0.1")
OUT = Tuple4(client=HERE, client_port=40000, server=ip_address("127.0.0.2"), server_port=80)


def known(timeline: events.Timeline) -> dict[str, object]:
    return {name: value for name, value in asdict(timeline).items() if value is not None}


def only(node: MemoryNode) -> events.Timeline:
    (found,) = node.said(events.Timeline)
    assert isinstance(node.events[-2], events.Closed) and node.events[-1] is found
    assert found.flow == node.events[-2].flow
    return found


async def test_a_secured_one_has_all_its_times_in_order(link: Link, installed: object) -> None:
    node = MemoryNode()
    await node.begin(link)
    await asyncio.sleep(0.05)  # TCP takes its time, of which the provider's is no part
    node.backend.own(link.cookie, link.owner, held=True)
    await node.establish(link)
    node.backend.use(link.cookie)
    node.backend.close(link.cookie, sent=122, received=244, records=(1, 2))
    await node.settle()
    found = only(node)
    times = [getattr(found, name) for name in ORDER]
    assert None not in times and times == sorted(times)
    assert found.syn_ns == found.owner_ns and found.syn_ns is not None
    assert found.held_ns is not None and found.held_ns > found.syn_ns + 50_000_000
    assert found.negotiation_ns is not None and found.negotiation_ns < 50_000_000
    assert (found.side, found.mode, found.provider) == (Side.CLIENT, Mode.REQUIRE, "scripted")
    assert (found.outcome, found.bytes_sent, found.bytes_received) == (State.OPEN, 122, 244)
    assert (found.records_sent, found.records_received) == (1, 2)


async def test_an_accepted_one_has_no_syn_and_its_owner_when_accept_returned(link: Link, installed: object) -> None:
    node, cookie = MemoryNode(), cookie_of(link.server)
    await node.begin(link, Side.SERVER)
    await node.establish(link, Side.SERVER)
    before = time.monotonic_ns()
    node.backend.own(cookie, link.owner)
    await node.settle()
    node.backend.close(cookie)
    await node.settle()
    found = only(node)
    assert found.syn_ns is None and found.held_ns is None and found.first_call_ns is None
    assert found.owner_ns is not None and found.established_ns is not None and found.released_ns is not None
    assert found.established_ns <= before <= found.owner_ns <= found.released_ns


async def test_what_is_observed_was_never_released() -> None:
    node = MemoryNode(Mode.OBSERVE)
    cookie = node.backend.begin(Side.CLIENT, OUT)
    node.backend.establish(cookie, ISNS)
    node.backend.close(cookie, sent=7)
    await node.settle()
    found = known(only(node))
    del found["time_ns"], found["flow"], found["established_ns"]
    assert found == {
        "side": Side.CLIENT,
        "mode": Mode.OBSERVE,
        "provider": "",
        "outcome": State.CLEAR,
        "bytes_sent": 7,
        "bytes_received": 0,
    }, "of one whose owner is not known it is not known when its SYN was made, either"


async def test_one_that_failed_was_asked_for_and_has_no_keys(link: Link) -> None:
    for mode, end in ((Mode.PREFER, State.CLEAR), (Mode.REQUIRE, State.REFUSED)):
        node = MemoryNode(mode, Script(ask=False, prepare_error=Unavailable("nobody", Reason.PEER_UNREACHABLE)))
        await node.begin(link)
        node.backend.close(link.cookie)
        await node.settle()
        found = only(node)
        assert found.outcome is end and (found.released_ns is not None) == (end is State.CLEAR)
        assert found.asked_ns is not None and found.negotiation_ns is None
        assert (found.keys_ns, found.tx_ns, found.rx_ns) == (None, None, None)


async def test_what_the_programs_released_is_released_when_they_did(link: Link) -> None:
    node = MemoryNode(Mode.PREFER, Script(wait=asyncio.Event()))
    await node.begin(link)
    node.backend.decide(link.cookie, State.CLEAR, Reason.DEADLINE)
    node.backend.close(link.cookie)
    await node.settle()
    found = only(node)
    assert found.released_ns is not None and found.released_ns <= found.time_ns


async def test_an_end_that_was_not_heard_has_no_bytes(link: Link, installed: object) -> None:
    node = MemoryNode()
    await node.begin(link)
    await node.establish(link)
    node.backend.close(link.cookie, sent=9, received=9)
    node.backend.take_events()  # lost
    await node.begin(link)  # the socket connects again
    (found,) = node.said(events.Timeline)
    assert (found.bytes_sent, found.bytes_received, found.released_ns, found.outcome) == (None, None, None, State.OPEN)
    assert found.rx_ns is not None, "what the agent did itself it knows"
