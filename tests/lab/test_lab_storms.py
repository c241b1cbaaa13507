# SPDX-License-Identifier: Apache-2.0
"""Storms of processes that live for one connection: none is lost, none in clear, and nothing is left of them."""

from __future__ import annotations

from functools import partial

from tests.lab.kit.node import Node
from tests.lab.kit.ports import IPV4, Ports
from tests.lab.kit.remains import nothing_left
from tests.lab.kit.storm import serve_by_children, storm
from tests.lab.kit.stress import times
from tests.lab.kit.talk import converse, receives_first, sends_first
from tests.lab.kit.trial import Record
from tests.lab.kit.wire import Wire

STORM, AT_ONCE, LINE = times(100, 5000), 8, 64


def test_a_storm_of_short_lived_processes(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, record_property: Record
) -> None:
    """A process for each connection, at both ends."""
    port, first = ports.require(), ports.require()
    converse(node_a, node_b, IPV4, first, sends_first, receives_first, marker).check()
    with nothing_left(node_a, node_b):
        server = node_b.start(partial(serve_by_children, way=IPV4, port=port, size=LINE, count=STORM))
        assert server.heard() == "listening"
        client = node_a.start(partial(storm, way=IPV4, port=port, marker=marker, size=LINE, count=STORM, most=AT_ONCE))
        assert (client.result(60 + STORM), server.result()) == (STORM, STORM)
        for node in (node_a, node_b):
            node.await_closed(STORM + 1)
    wire.secured(marker, port, flows=STORM)
    for node in (node_a, node_b):
        assert len(node.events("Secured")) == STORM + 1 and not node.events("Refused", "ReleasedClear")
    record_property("times", STORM)
