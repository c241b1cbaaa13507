# SPDX-License-Identifier: Apache-2.0
"""What goes wrong after the promise to the peer: the flow is refused, keys are wiped, nothing is left open."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
from collections.abc import Callable
from dataclasses import replace

import pytest

from tlshub_core.pipeline import descriptor
from tlshub_core.pipeline.descriptor import cookie_of
from tlshub_core.testing.node import Link, MemoryNode
from tlshub_core.testing.scripted import Script, wiped
from tlshub_core.types import events
from tlshub_core.types.capture import State
from tlshub_core.types.errors import Reason, Refused, Unavailable
from tlshub_core.types.flow import Mode, Side

KEY = bytes(range(128, 144))
BY_PEER = Refused("no", Reason.PEER_REFUSED, by_peer=True)
LOST = Unavailable("nobody there", Reason.PEER_UNREACHABLE)


@pytest.mark.parametrize("error", [LOST, KeyError("bug"), BY_PEER])
async def test_a_provider_that_fails_after_the_promise_is_refused(link: Link, error: Exception) -> None:
    node = MemoryNode(Mode.PREFER, Script(keys_error=error))
    await node.begin(link)
    await node.establish(link)
    (refused,) = node.said(events.Refused)
    assert refused.reason is (error.reason if isinstance(error, Refused | Unavailable) else Reason.PROVIDER_BUG)
    assert node.provider.steps[-1] == "discard"
    with pytest.raises(ConnectionResetError):
        link.server.recv(1)


async def test_keys_that_come_too_late_are_not_waited_for(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    node = MemoryNode(Mode.PREFER, Script(keys_wait=asyncio.Event()))
    await node.begin(link)
    await node.establish(link)
    await asyncio.sleep(0.25)
    await node.settle()
    assert [event.reason for event in node.said(events.Refused)] == [Reason.DEADLINE]


async def test_a_failed_install_is_refused_and_wiped(link: Link, no_ktls: None) -> None:
    node = MemoryNode(Mode.PREFER)
    await node.begin(link)
    await node.establish(link)
    assert [event.reason for event in node.said(events.Refused)] == [Reason.KTLS_UNAVAILABLE]
    assert len(node.provider.given) == 1
    assert all(map(wiped, node.provider.given))


async def test_a_bug_in_discard_costs_no_keys(
    link: Link, installed: list[tuple[int, Side, bool]], caplog: pytest.LogCaptureFixture
) -> None:
    node = MemoryNode(script=Script(discard_error=KeyError("x")))
    await node.begin(link)
    await node.establish(link)
    assert node.backend.table[link.cookie].state is State.OPEN
    assert all(map(wiped, node.provider.given))
    assert "bug in provider 'scripted'" in caplog.text


@pytest.mark.parametrize("where", ["prepare_error", "keys_error", "discard_error"])
@pytest.mark.parametrize("error", [KeyError(KEY), ValueError(KEY.hex()), RuntimeError(list(KEY))])
async def test_a_bug_that_quotes_a_key_is_said_without_it(
    link: Link, installed: list[object], where: str, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    node = MemoryNode(Mode.REQUIRE, Script(**{where: error}))
    await node.begin(link)
    await node.establish(link)
    said = caplog.text + repr(node.events)
    assert f"bug in provider 'scripted': {type(error).__name__} at '" in said and "scripted.py" in said
    for form in (repr(KEY)[2:-1], KEY.hex(), repr(list(KEY))[1:-1]):
        assert form not in said


async def test_keys_that_are_none_are_the_providers_bug(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: object) -> None:
        return None

    monkeypatch.setattr("tlshub_core.testing.scripted.ScriptedPending.keys", nothing)
    node = MemoryNode()
    await node.begin(link)
    await node.establish(link)
    assert [event.reason for event in node.said(events.Refused)] == [Reason.PROVIDER_BUG]


async def test_a_process_that_the_agent_may_not_look_into_is_named(
    link: Link, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def forbidden(*_: object) -> None:
        raise PermissionError(1, "not permitted")

    monkeypatch.setattr(descriptor, "take", forbidden)
    node = MemoryNode()
    await node.begin(link)
    await node.establish(link)
    (refused,) = node.said(events.Refused)
    assert refused.reason is Reason.OWNER_UNKNOWN
    assert str(os.getpid()) in refused.detail


Way = Callable[[MemoryNode, Link], None]


def kernel_refuses(node: MemoryNode, link: Link) -> None:
    node.backend.decide(link.cookie, State.REFUSED, Reason.DEADLINE)


def closes(node: MemoryNode, link: Link) -> None:
    node.backend.close(link.cookie)


@pytest.mark.parametrize("end", [closes, kernel_refuses])
@pytest.mark.parametrize("waiting", ["prepare", "tcp", "keys"])
async def test_an_end_while_waiting_leaves_nothing(link: Link, end: Way, waiting: str) -> None:
    never = asyncio.Event()
    script = {"prepare": Script(wait=never), "tcp": Script(), "keys": Script(keys_wait=never)}[waiting]
    gc.collect()  # what the tests before left to it is not this one's
    node, before = MemoryNode(script=script), len(os.listdir("/proc/self/fd"))
    await node.begin(link)
    if waiting == "keys":
        await node.establish(link)
    end(node, link)
    await node.settle()
    assert len(asyncio.all_tasks()) == 1
    assert waiting == "prepare" or node.provider.steps[-1] == "discard"
    assert len(node.said(events.Refused)) == (end is kernel_refuses)
    assert len(node.said(events.Closed)) == (end is closes)
    assert len(os.listdir("/proc/self/fd")) == before


async def test_a_failure_of_a_flow_that_is_gone_is_no_failure(link: Link) -> None:
    wait = asyncio.Event()
    node = MemoryNode(script=Script(wait=wait, ask=False, prepare_error=LOST))
    await node.begin(link)
    node.backend.table.pop(link.cookie)
    wait.set()
    await node.settle()
    assert node.said(events.Refused) == []
    link.client.sendall(b"not reset")


async def test_stopping_spares_what_is_open(link: Link, installed: list[tuple[int, Side, bool]]) -> None:
    node = MemoryNode()
    await node.begin(link)
    await node.establish(link)
    await node.capture.stop()
    assert node.backend.table[link.cookie].state is State.OPEN


LEFT = [(Side.CLIENT, State.NEW), (Side.SERVER, State.NEW), (Side.CLIENT, State.ASKED), (Side.CLIENT, State.ARMED)]


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("state", [State.NEW, State.ASKED, State.ARMED, State.INSTALLING])
@pytest.mark.parametrize("mode", [Mode.PREFER, Mode.REQUIRE])
async def test_what_the_next_agent_can_take_over_is_left_to_it(
    link: Link, mode: Mode, state: State, side: Side, installed: list[tuple[int, Side, bool]]
) -> None:
    new, asked = state is State.NEW, state is State.ASKED
    script = Script(wait=asyncio.Event() if new else None, asked_wait=asyncio.Event() if asked else None)
    node = MemoryNode(mode, script)
    cookie = (await node.begin(link, side)).flow.cookie
    if state is State.INSTALLING:
        node.backend.move(cookie, State.ARMED, state)
    await node.capture.stop()
    left = (side, state) in LEFT
    assert node.backend.table[cookie].state is (state if left else State.REFUSED)
    assert [event.reason for event in node.said(events.Refused)] == ([] if left else [Reason.SHUTDOWN])
    if left:
        node = await node.succeed(mode)
        node.backend.own(cookie, replace(link.owner, fd=(link.client if side is Side.CLIENT else link.server).fileno()))
        await node.establish(link, side)
        assert node.backend.table[cookie].state is State.OPEN


async def test_before_a_stop_what_the_peer_has_keys_for_comes_to_its_end(
    link: Link, installed: list[tuple[int, Side, bool]]
) -> None:
    """And what nobody was asked about is left as it is, if it began before or begins now."""
    node, waiting, late = MemoryNode(), Link.make(), Link.make()
    await node.begin(link, Side.SERVER)
    node.provider.script = Script(wait=asyncio.Event())
    await node.begin(waiting)
    finishing = asyncio.create_task(node.capture.finish())
    await asyncio.sleep(0)
    node.backend.begin(Side.CLIENT, late.tuple4, cookie=late.cookie, owner=late.owner)
    node.backend.own(cookie_of(link.server), replace(link.owner, fd=link.server.fileno()))
    await node.establish(link, Side.SERVER)
    await asyncio.wait_for(finishing, 1)
    await node.capture.stop()
    states = [node.backend.table[cookie].state for cookie in (cookie_of(link.server), waiting.cookie, late.cookie)]
    assert states == [State.OPEN, State.NEW, State.NEW]
    assert node.said(events.Refused) == []
    waiting.close()
    late.close()


async def test_a_stop_does_not_wait_for_a_slow_program(link: Link) -> None:
    node = MemoryNode()
    await node.begin(link, Side.SERVER)
    await asyncio.wait_for(node.capture.finish(), 1)
    await node.capture.stop()
    assert node.backend.table[cookie_of(link.server)].state is State.REFUSED


async def test_what_was_decided_before_is_not_decided_again_at_a_stop(link: Link) -> None:
    node = MemoryNode()
    await node.begin(link)
    node.backend.move(link.cookie, State.ARMED, State.REFUSED)
    node = await node.succeed()
    await node.capture.stop()
    assert node.said(events.Refused) == []
