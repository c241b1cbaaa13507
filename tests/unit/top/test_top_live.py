# SPDX-License-Identifier: Apache-2.0
"""'top' on a terminal: what it shows, its keys, and an agent that goes away and comes back."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.unit.cli.test_cli_ctl import COUNT, HERE, THERE, Served
from tests.unit.control.conftest import install, installed
from tests.unit.control.serving import serving
from tests.unit.top.terminal import SCREEN_ON, shown
from tlshub_core.control import requests
from tlshub_core.control.answers import Answer
from tlshub_core.control.binding import Caller
from tlshub_core.control.conversation import Send
from tlshub_core.control.requests import Request
from tlshub_core.types.capture import Owner
from tlshub_core.types.flow import Side, Tuple4

__all__ = ["install", "installed"]
FIRST = "> 127.0.0.2:443"


class Watched(Served):
    """Says what it was asked for; while it hangs, nobody is answered; a connection of that name begins."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.asked: list[Request] = []
        self.hangs, self.begins = False, ""

    async def handle(self, request: Request, caller: Caller, send: Send) -> Answer:
        self.asked.append(request)
        if self.hangs:
            await asyncio.Event().wait()
        if self.begins:
            owner = Owner(pid=7, fd=-1, inode=0, comm=self.begins)
            ends = Tuple4(client=THERE, client_port=9, server=HERE, server_port=443)
            self.node.backend.begin(Side.CLIENT, ends, owner=owner)
            self.begins = ""
            await self.node.settle()
        return await super().handle(request, caller, send)


@pytest.fixture
def agent(tmp_path: Path, installed: None) -> Iterator[Watched]:
    home = Watched(tmp_path)
    with serving(tmp_path / "control.sock", home.handle):
        yield home


def socket(agent: Watched) -> Path:
    return agent.file.with_name("control.sock")


def test_a_screen_of_80_by_24(agent: Watched) -> None:
    with shown(socket(agent)) as terminal:
        terminal.until("per second")
        terminal.press("p")
        terminal.until("PAUSED")  # what is drawn last
        lines = terminal.lines()
        assert re.match(rf"agent +node 'here', process {os.getpid()}, up .*, provider 'scripted'$", lines[0])
        assert re.match(r" +\d+\.\d % of a core, \d+\.\d MB resident; events lost: 0 kernel, 0 sinks$", lines[1])
        assert lines[2].split() == ["connections", str(COUNT), "armed"]
        assert re.match(r"per second +0\.0 began, 0\.0 secured, 0\.0 in clear, 0\.0 refused$", lines[3])
        assert f"{COUNT} began, 0 secured" in lines[4]
        head = lines.index(next(line for line in lines if line.startswith("process")))
        assert lines[head] == "process      > to, < from             state      provider  age   held  bytes/s"
        assert lines[head + 1].split()[:5] == ["?", *FIRST.split(), "armed", "scripted"]
        assert len([line for line in lines if FIRST in line]) == 22 - head, "the rest of the screen"
        assert lines[23].startswith("q quit  s sort  p pause  / filter  [15 of 120, newest]")
        terminal.press("q")
        assert terminal.left() == 0
        assert terminal.raw.count(SCREEN_ON) == 1


def test_a_wider_one_shows_more(agent: Watched) -> None:
    with shown(socket(agent)) as terminal:
        terminal.until("per second")
        assert "cipher" not in terminal.text()
        terminal.resize(200, 40)
        terminal.until("node +state +reason +rule +mode +provider +cipher +age")
        terminal.until(r"\[\d+ of 120, newest\]")
        assert f"127.0.0.1:{COUNT} " in terminal.text()
        terminal.resize(60, 12)
        terminal.until(lambda: "mode" not in terminal.text() and "q quit" in terminal.lines()[11])
        terminal.press("q")
        assert terminal.left() == 0


def test_s_sorts_by_something_else(agent: Watched) -> None:
    with shown(socket(agent), size=(200, 24)) as terminal:
        terminal.until(rf"{FIRST} +127.0.0.1:{COUNT} ")
        terminal.press("s")
        terminal.until(rf"{FIRST} +127.0.0.1:1 ")
        terminal.until("oldest]")
        terminal.press("s" * (len(requests.ORDERS) - 1))
        terminal.until(rf"{FIRST} +127.0.0.1:{COUNT} ")
        terminal.until("newest]")
        terminal.press("q")
        assert terminal.left() == 0


def test_a_filter_is_typed_applied_and_left(agent: Watched) -> None:
    with shown(socket(agent)) as terminal:
        terminal.until("per second")
        terminal.press("/")
        terminal.until("filter: _")
        terminal.press("127.0.0.1:77x\x7f\x1b[A\r")
        terminal.until(r"\[1 of 1, newest\]  filter: '127.0.0.1:77'")
        terminal.press("/qs")
        terminal.until("filter: 127.0.0.1:77qs_")
        terminal.press("\x1b")
        terminal.until(r"\[1 of 1, newest\]  filter: '127.0.0.1:77'")
        terminal.press("/\x15\r")
        terminal.until("of 120, newest]")
        terminal.press("q")
        assert terminal.left() == 0


def test_p_pauses(agent: Watched) -> None:
    with shown(socket(agent)) as terminal:
        terminal.until("per second")
        terminal.press("p")
        terminal.until("PAUSED")
        asked = len(agent.asked) + 1  # one may be under way
        for _ in range(5):
            terminal.read(0.2)
        assert len(agent.asked) <= asked
        terminal.press("s")
        terminal.until("oldest]  PAUSED")
        terminal.until(lambda: any(isinstance(one, requests.Top) and one.order == "oldest" for one in agent.asked))
        terminal.press("p")
        terminal.until(lambda: len(agent.asked) > asked + 3)
        terminal.press("q")
        assert terminal.left() == 0


def test_an_agent_that_goes_away_and_comes_back(tmp_path: Path, installed: None) -> None:
    path, first, second = tmp_path / "control.sock", Watched(tmp_path), Watched(tmp_path)
    with shown(path) as terminal:
        assert terminal.left() == 1
        assert terminal.text().startswith("error: no agent is running at '")
    with ExitStack() as stack:
        with serving(path, first.handle):
            terminal = stack.enter_context(shown(path))
            terminal.until("per second")
        terminal.until("no agent is running at")
        terminal.until(r"waiting\s+for it, for [\d.]+ s")
        assert "armed" in terminal.text(), "what was seen last stays"
        with serving(path, second.handle):
            terminal.until(lambda: "no agent is running" not in terminal.text())
            terminal.until("per second")
            terminal.press("q")
            assert terminal.left() == 0


def test_one_that_hangs_keeps_nobody(agent: Watched) -> None:
    with shown(socket(agent)) as terminal:
        terminal.until("per second")
        agent.hangs = True
        terminal.until(r"no answer from the agent for \d+ s")
        terminal.press("q")
        assert terminal.left() == 0


def test_a_name_is_no_order_to_the_terminal(agent: Watched) -> None:
    with shown(socket(agent)) as terminal:
        terminal.until("per second")
        agent.begins = "\x1b]0;x\x07\x1b[2J"
        terminal.press("/x1b\r")
        terminal.until(r"\\x1b\]0;x\\x")
        terminal.press("q")
        assert terminal.left() == 0
        assert b"\x1b]" not in terminal.raw
