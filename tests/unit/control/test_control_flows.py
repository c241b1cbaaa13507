# SPDX-License-Identifier: Apache-2.0
"""The command that shows connections: each as it stands, counted by state, and the loop goes on meanwhile."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.unit.control.home import CONFIG, REST, RULE, Home, out
from tlshub_core.pipeline import ktls
from tlshub_core.testing.node import ISNS, Link, MemoryNode
from tlshub_core.testing.scripted import Script
from tlshub_core.types import events
from tlshub_core.types.capture import Owner, State
from tlshub_core.types.errors import Reason
from tlshub_core.types.flow import Side

pytestmark = pytest.mark.usefixtures("installed")


async def test_a_flow_is_shown_as_it_goes_its_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wait = asyncio.Event()
    home = Home(tmp_path, node=MemoryNode(script=Script(wait=wait)))
    link = Link.make()
    monkeypatch.setattr(ktls, "install", lambda *_: (1, 2))
    await home.node.begin(link)
    _, (row,) = await home.flows()
    assert (row.side, row.client, row.server) == ("client", *(str(end) for end in _ends(link)))
    assert (row.state, row.rule, row.mode, row.provider, row.cipher) == ("new", "rule-1", "require", "scripted", "")
    assert (row.pid, row.comm, row.peer, row.hold_ms) == (link.owner.pid, "test", "there", 0)
    assert (await home.flows("held"))[0] == 1 and row.age_ms < 5000
    wait.set()
    await home.node.settle()
    assert (await home.flows())[1][0].state == "armed"
    await home.node.establish(link)
    assert (await home.flows("held"))[0] == 0
    _, (row,) = await home.flows("open")
    (secured,) = home.node.said(events.Secured)
    assert (row.id, row.cipher, row.pid) == (str(secured.flow), "aes-gcm-128", secured.pid)
    assert row.hold_ms == secured.hold_ns // 1_000_000
    home.node.backend.close(link.cookie)
    await home.node.settle()
    assert await home.flows() == (0, [])
    assert (await home.status()).totals.secured == 1
    link.close()


def _ends(link: Link) -> tuple[str, str]:
    ends = link.tuple4
    return f"{ends.client}:{ends.client_port}", f"{ends.server}:{ends.server_port}"


async def test_who_waits_is_shown_with_how_long(tmp_path: Path) -> None:
    home = Home(tmp_path, node=MemoryNode(script=Script(wait=asyncio.Event())))
    cookie = home.node.backend.begin(Side.CLIENT, out(1))
    home.node.backend.establish(cookie, ISNS)
    await home.node.settle()
    _, (row,) = await home.flows("held")
    assert (row.pid, row.comm) == (0, "")
    await asyncio.sleep(0.02)
    home.node.backend.own(cookie, Owner(pid=9, fd=-1, inode=0, comm="late"), held=True)
    await home.node.settle()
    _, (row,) = await home.flows("held")
    assert row.hold_ms >= 20 and (row.pid, row.comm) == (9, "late")


async def test_ends_are_counted_by_state(tmp_path: Path) -> None:
    home = Home(tmp_path, CONFIG + RULE + REST, node=MemoryNode(script=Script(wait=asyncio.Event())))
    backend = home.node.backend
    cookies = [backend.begin(Side.CLIENT, out(port)) for port in (1, 2, 3)]
    await home.node.settle()
    backend.decide(cookies[0], State.REFUSED, Reason.DEADLINE)
    backend.decide(cookies[1], State.CLEAR, Reason.NO_AGENT)
    await home.node.settle()
    found = await home.status()
    assert found.flows == {"refused": 1, "clear": 1, "new": 1}
    assert (found.totals.refused, found.totals.released_clear, found.totals.secured) == (1, 1, 0)
    assert [(await home.flows(state))[0] for state in ("refused", "clear", "held", "open", "")] == [1, 1, 1, 0, 3]
    assert {row.state: row.reason for row in (await home.flows())[1]} == {
        "refused": "deadline", "clear": "no-agent", "new": ""
    }  # fmt: skip


async def test_observed_flows_are_clear(tmp_path: Path) -> None:
    home = Home(tmp_path, CONFIG + REST.replace("require", "observe"))
    home.node.backend.begin(Side.SERVER, out(1))
    await home.node.settle()
    _, (row,) = await home.flows()
    assert (row.side, row.state, row.mode, row.provider) == ("server", "clear", "observe", "")


async def test_ten_thousand_flows_leave_the_loop_time(tmp_path: Path) -> None:
    home = Home(tmp_path, CONFIG + REST.replace("require", "observe"))
    for port in range(10_000):
        home.node.backend.begin(Side.CLIENT, out(port))
    home.node.capture.handle(home.node.backend.take_events())
    turns, task = 0, asyncio.create_task(home.flows(limit=150))
    while not task.done():
        turns += 1
        await asyncio.sleep(0)
    total, rows = task.result()
    assert (total, len(rows)) == (10_000, 150)
    assert [row.client for row in rows[:2]] == ["127.0.0.1:9999", "127.0.0.1:9998"], "the latest come first"
    assert turns > 90, "others had their turn between the pieces"
    assert (await home.status()).flows == {"clear": 10_000}


async def test_flows_that_come_and_go_meanwhile_do_no_harm(tmp_path: Path) -> None:
    home = Home(tmp_path, CONFIG + REST.replace("require", "observe"))
    backend, capture = home.node.backend, home.node.capture
    cookies = [backend.begin(Side.CLIENT, out(port)) for port in range(500)]
    capture.handle(backend.take_events())
    task = asyncio.create_task(home.flows())
    while not task.done():
        if cookies:
            backend.close(cookies.pop())
        backend.begin(Side.CLIENT, out(1000 + len(cookies)))
        capture.handle(backend.take_events())
        await asyncio.sleep(0)
    assert task.result()[0] <= 500
