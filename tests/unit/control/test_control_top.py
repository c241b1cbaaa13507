# SPDX-License-Identifier: Apache-2.0
"""What a live view is answered: the first of many, in the order asked for, and counts of all."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from tests.unit.control.home import CONFIG, REST, RULE, Home
from tlshub_core.control import requests, top, wire
from tlshub_core.control.answers import TopAnswer
from tlshub_core.control.rows import FlowRow
from tlshub_core.testing.node import ISNS, MemoryNode
from tlshub_core.testing.scripted import Script
from tlshub_core.types.capture import Owner, State
from tlshub_core.types.errors import Reason
from tlshub_core.types.flow import Side, Tuple4

HERE, THERE, ELSEWHERE = (IPv4Address(f"127.0.0.{last}") for last in (1, 2, 3))
pytestmark = pytest.mark.usefixtures("installed")


async def view(home: Home, order: str = "newest", text: str = "", limit: int = 20) -> tuple[TopAnswer, list[FlowRow]]:
    home.rows.clear()
    answer = await home.ask(requests.Top(limit=limit, order=order, text=text))
    assert isinstance(answer, TopAnswer) and answer.flows == ()
    return answer, [row for row in home.rows if isinstance(row, FlowRow)]


def begin(home: Home, port: int, comm: str, server: IPv4Address = THERE) -> int:
    ends = Tuple4(client=HERE, client_port=port, server=server, server_port=443)
    return home.node.backend.begin(Side.CLIENT, ends, owner=Owner(pid=100 + port, fd=-1, inode=0, comm=comm))


@pytest.fixture
async def home(tmp_path: Path) -> Home:
    """Three connections: 1 is armed and waits, 2 is refused, 3 is in clear."""
    home = Home(tmp_path, CONFIG + RULE + REST, node=MemoryNode(script=Script(wait=asyncio.Event())))
    cookies = [begin(home, 1, "curl"), begin(home, 2, "Zsh"), begin(home, 3, "amqp", ELSEWHERE)]
    home.node.backend.establish(cookies[0], ISNS)
    await home.node.settle()
    home.node.backend.decide(cookies[1], State.REFUSED, Reason.DEADLINE)
    home.node.backend.decide(cookies[2], State.CLEAR, Reason.TABLE_FULL)
    await home.node.settle()
    await asyncio.sleep(0.002)  # one waits for longer than the others
    return home


@pytest.mark.parametrize(
    ("order", "ports"),
    [
        ("newest", [3, 2, 1]),
        ("oldest", [1, 2, 3]),
        ("held", [1, 3, 2]),
        ("state", [1, 2, 3]),
        ("process", [2, 3, 1]),
        ("peer", [3, 2, 1]),
        ("rule", [3, 2, 1]),
    ],
)
async def test_the_first_of_an_order_come_first(home: Home, order: str, ports: list[int]) -> None:
    answer, rows = await view(home, order)
    assert [int(row.client.rpartition(":")[2]) for row in rows] == ports
    cut, first = await view(home, order, limit=1)
    assert (cut.total, answer.total, first[0].id) == (3, 3, rows[0].id)


def test_every_order_has_a_key_and_is_tried() -> None:
    assert set(top._KEYS) == set(requests.ORDERS)
    (mark,) = test_the_first_of_an_order_come_first.pytestmark  # type: ignore[attr-defined]
    assert {order for order, _ in mark.args[1]} == set(requests.ORDERS)


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        ("CURL", [1]),
        ("127.0.0.3:443", [3]),
        ("102", [2]),
        ("refused", [2]),
        ("table-full", [3]),
        ("there", [2, 1]),
        ("no such", []),
    ],
)
async def test_a_text_is_looked_for_in_what_is_shown(home: Home, text: str, ports: list[int]) -> None:
    answer, rows = await view(home, text=text)
    assert [int(row.client.rpartition(":")[2]) for row in rows] == ports
    assert answer.total == len(ports) and answer.status.flows.get("refused") == 1, "counts are of all"


async def test_counts_are_of_all_whatever_is_shown(home: Home) -> None:
    answer, _ = await view(home, limit=1)
    assert (answer.connections, answer.status.totals.refused, answer.status.totals.released_clear) == (3, 1, 1)
    assert (answer.refused, answer.released_clear) == ({"deadline": 1}, {"table-full": 1})
    (rule,) = answer.rules
    assert (rule.rule, rule.mode, sum(rule.flows.values())) == ("rule-1", "require", 3)
    assert rule.flows == answer.status.flows
    assert 1_000_000 < answer.resident_bytes < 1 << 40 and answer.cpu_ms > 0
    again, _ = await view(home)
    assert again.uptime_ms >= answer.uptime_ms and again.cpu_ms >= answer.cpu_ms


async def test_ten_thousand_are_as_little_to_send_as_a_screen(tmp_path: Path) -> None:
    home = Home(tmp_path, CONFIG + REST.replace("require", "observe"))
    for port in range(10_000):
        begin(home, port, "many")
    home.node.capture.handle(home.node.backend.take_events())
    turns, task = 0, asyncio.create_task(view(home, "process", "many", requests.MAX_TOP))
    while not task.done():
        turns += 1
        await asyncio.sleep(0)
    answer, rows = task.result()
    assert (answer.total, len(rows), rows[0].client) == (10_000, requests.MAX_TOP, "127.0.0.1:0")
    assert turns > 90, "others had their turn between the pieces"
    assert len(wire.line("rows", rows)) < wire.LIMIT // 4
