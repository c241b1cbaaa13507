# SPDX-License-Identifier: Apache-2.0
"""One edge is all that a reader gets: the gate must not take it from one that comes in the moment of the release."""

from __future__ import annotations

from functools import partial

from tests.lab.kit.edges import answer_by_edges, ask_in_turn
from tests.lab.kit.node import Node
from tests.lab.kit.ports import IPV4, Ports
from tests.lab.kit.talk import payload
from tests.lab.kit.wire import Wire

EACH, SIZE = 150, 70_000


def test_no_edge_is_lost_to_the_opening_gate(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    near, far, content = ports.require(), ports.require(), payload(marker, SIZE)
    jobs = []
    for port, node in ((near, node_b), (far, node_a)):
        serve = partial(answer_by_edges, way=IPV4, port=port, size=len(content), count=EACH)
        server = node_b.start(serve)
        assert server.heard() == "listening"
        jobs.append((server, node.start(partial(ask_in_turn, way=IPV4, port=port, content=content, count=EACH))))
    for server, client in jobs:
        assert client.result(300) == EACH and server.result(60) == EACH
    wire.secured(marker, far, flows=EACH)
