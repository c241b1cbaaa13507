# SPDX-License-Identifier: Apache-2.0
"""Thousands of connections, at once and one after the other: none lost, none in clear, the agents' memory bounded."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

from tests.lab.kit.chat import Flag
from tests.lab.kit.control import tell
from tests.lab.kit.load import echo_all, in_a_row, keep_all, megabytes
from tests.lab.kit.node import Node
from tests.lab.kit.ports import IPV4, IPV6, Ports
from tests.lab.kit.steady import echo_steadily
from tests.lab.kit.stress import times
from tests.lab.kit.talk import payload
from tests.lab.kit.wire import Wire

AT_ONCE, IN_A_ROW = times(100, 10_000), 4 * times(15, 25_000)
SECONDS = 60 * float(os.environ.get("LAB_MINUTES", 600))  # connections in a row end after that, however many they were
KILOBYTES_EACH, MEGABYTES_MORE = 24, 8  # of an agent for one that is open; for all that are over, together
WARM = times(10, 50)  # of each client, before the memory is looked at
Note = Callable[[str, object], None]


def test_all_open_at_once(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, record_property: Note
) -> None:
    port, content, enough = ports.require(), payload(marker, 100), Flag()
    before = megabytes(node_a, node_b)
    server = node_b.start(partial(echo_all, way=IPV4, port=port, count=AT_ONCE))
    assert server.heard() == "listening"
    client = node_a.start(partial(keep_all, way=IPV4, port=port, content=content, count=AT_ONCE, enough=enough))
    assert client.heard(3600) == AT_ONCE
    among = megabytes(node_a, node_b)
    states = [tell(node, "status")["flows"] for node in (node_a, node_b)]
    enough.set()
    assert client.result(600) == AT_ONCE and server.result(600) == AT_ONCE
    more = {name: among[name] - before[name] for name in before}
    record_property("times", AT_ONCE)
    record_property("memory of the agents (MB)", f"{before} before, {among} with all")
    assert all(state["open"] >= AT_ONCE for state in states), states
    assert max(more.values()) <= MEGABYTES_MORE + AT_ONCE * KILOBYTES_EACH / 1000, more
    wire.secured(marker, port, flows=AT_ONCE)
    assert not node_a.events("Refused", "ReleasedClear", "Lost") + node_b.events("Refused", "ReleasedClear", "Lost")


def test_one_after_the_other(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, record_property: Note
) -> None:
    ways, content = {ports.require(): way for way in (IPV4, IPV6, IPV4, IPV6)}, payload(marker, 100)
    for port, way in ways.items():
        server = node_b.start(partial(echo_steadily, way=way, port=port, size=len(content)))
        assert server.heard() == "listening"
    assert sum(client.result(600) for client in in_a_row(node_a, ways, content, WARM * len(ways), SECONDS)) > 0
    before = megabytes(node_a, node_b)
    done = sum(client.result(SECONDS + 60) for client in in_a_row(node_a, ways, content, IN_A_ROW, SECONDS))
    after = megabytes(node_a, node_b)
    record_property("times", done)
    record_property("memory of the agents (MB)", f"{before} before, {after} after")
    assert done == IN_A_ROW or "LAB_MINUTES" in os.environ, f"{done} of {IN_A_ROW} in {SECONDS} s"
    assert all(after[name] - before[name] <= MEGABYTES_MORE for name in before), (before, after)
    wire.secured(marker, *ways, flows=done + WARM * len(ways))
    assert not node_a.events("Refused", "ReleasedClear", "Lost") + node_b.events("Refused", "ReleasedClear", "Lost")
