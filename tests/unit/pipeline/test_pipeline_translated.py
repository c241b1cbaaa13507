# SPDX-License-Identifier: Apache-2.0
"""An address of this node that is translated to another: no accepting end goes in clear beside a client in TLS."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from tlshub_core import promises
from tlshub_core.pipeline import ending
from tlshub_core.promises import Promises
from tlshub_core.testing.node import HERE, Link, MemoryNode
from tlshub_core.testing.scripted import Script
from tlshub_core.types import events
from tlshub_core.types.capture import State
from tlshub_core.types.errors import Reason, Refused, Unavailable
from tlshub_core.types.flow import Mode, Side, Tuple4

CONTAINER = IPv4Address("127.0.0.2")
NOBODY_ASKS = Script(ask=False, prepare_error=Unavailable("nobody asked", Reason.PEER_UNREACHABLE))


@pytest.fixture
def link() -> Iterator[Link]:
    link = Link.make(HERE)
    yield link
    link.close()


def behind(tuple4: Tuple4, how: str) -> Tuple4:
    """What the accepting end sees of it."""
    if how == "port":
        return replace(tuple4, server_port=tuple4.server_port + 1)
    if how == "container":
        return replace(tuple4, server=CONTAINER, server_port=tuple4.server_port + 1)
    return replace(tuple4, client=CONTAINER, client_port=tuple4.client_port + 1)


@pytest.mark.parametrize("how", ["port", "container", "source"])
async def test_a_published_port_of_this_node_is_refused_and_never_mixed(link: Link, how: str) -> None:
    node = MemoryNode(Mode.PREFER, NOBODY_ASKS)
    client = await node.begin(link)
    assert client.ending.state() is State.ARMED
    server = await node.begin(replace(link, tuple4=behind(link.tuple4, how)), Side.SERVER)
    assert server.ending.outcome is State.REFUSED
    (refused,) = node.said(events.Refused)
    assert refused.reason is Reason.NOT_YOURS
    assert "translated" in refused.detail


async def test_the_programs_do_not_release_it_at_their_deadline(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "SUSPECT_S", 0.01)
    node = MemoryNode(Mode.PREFER, Script(wait=asyncio.Event()))
    await node.begin(link)
    server = await node.begin(replace(link, tuple4=behind(link.tuple4, "container")), Side.SERVER)
    assert server.ending.state() is State.NEW
    await asyncio.sleep(0.05)
    node.backend.expire(server.flow.cookie)
    await node.settle()
    assert server.ending.outcome is State.REFUSED


async def test_a_stranger_is_released_where_nothing_like_it_was_promised_lately(
    link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = MemoryNode(Mode.PREFER, NOBODY_ASKS)
    await node.begin(link)
    monkeypatch.setattr(promises, "BEFORE_S", 0.0)
    server = await node.begin(replace(link, tuple4=behind(link.tuple4, "container")), Side.SERVER)
    assert server.ending.outcome is State.CLEAR
    assert not node.said(events.Refused)


@pytest.mark.parametrize("how", ["port", "container", "source"])
async def test_one_that_went_in_clear_early_is_not_promised_by_another_address(link: Link, how: str) -> None:
    node = MemoryNode(Mode.PREFER, NOBODY_ASKS)
    server = await node.begin(replace(link, tuple4=behind(link.tuple4, how)), Side.SERVER)
    assert server.ending.outcome is State.CLEAR
    with pytest.raises(Refused, match="went in clear just now") as caught:
        await node.context.expect(link.tuple4)
    assert caught.value.reason is Reason.ALREADY_CLEAR
    await node.context.expect(replace(link.tuple4, client_port=1, server_port=1))


def test_who_went_in_clear_is_forgotten_at_its_deadline() -> None:
    promises, now = Promises(), time.monotonic_ns()
    one = Tuple4(client=CONTAINER, client_port=4000, server=CONTAINER, server_port=80)
    promises.let_go(one, now - 1)
    assert not promises.may_be_let_go(replace(one, client_port=1))
    promises.let_go(one, now + 30_000_000_000)
    assert promises.may_be_let_go(replace(one, client_port=1))
    assert not promises.may_be_let_go(replace(one, client_port=1, server_port=81)), "neither end is the same"


def test_what_is_promised_is_forgotten_when_it_has_come_or_never_will(monkeypatch: pytest.MonkeyPatch) -> None:
    made, now = Promises(), time.monotonic_ns()
    one = Tuple4(client=CONTAINER, client_port=4000, server=CONTAINER, server_port=80)
    by_source, by_destination = (replace(one, client_port=1), replace(one, server_port=81))
    made.made(one)
    assert made.may_be(by_source, now) and made.may_be(by_destination, now)
    assert not made.may_be(replace(by_source, server_port=81), now), "neither end is the same"
    assert not made.may_be(by_source, now + 11_000_000_000), "too long before it came"
    made.kept(one)
    assert not made.may_be(by_source, now)
    monkeypatch.setattr(promises, "KEPT_S", 0.0)
    for number in range(1000):
        made.made(replace(one, client_port=number))
    assert len(made._made) <= 2
