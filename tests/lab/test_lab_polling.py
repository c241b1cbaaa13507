# SPDX-License-Identifier: Apache-2.0
"""Non-blocking applications, which no hold and no release may cost a readiness."""

from __future__ import annotations

import pytest

from tests.lab.kit.node import Node
from tests.lab.kit.polling import by_epoll, by_poll, by_select, dial_by_edge, dial_early, edge, edge_reader, level
from tests.lab.kit.ports import IPV4, IPV6, MAPPED, Ports, Way
from tests.lab.kit.talk import at_once, converse, payload, receives_first, sends_first
from tests.lab.kit.wire import Wire

PAIRS = (
    (level(by_select), level(by_select)),
    (level(by_poll), level(by_epoll)),
    (level(by_epoll), level(by_poll)),
    (edge, edge),
    (edge, receives_first),
    (sends_first, edge_reader),
    (edge_reader, sends_first),
)


@pytest.mark.parametrize("way", [IPV4, IPV6], ids=lambda way: way.name)
def test_pollers_of_all_kinds(node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, way: Way) -> None:
    secret, control, content = [ports.require() for _ in PAIRS], ports.bypass(), payload(marker)
    talks = [converse(node_a, node_b, way, port, *pair, content) for port, pair in zip(secret, PAIRS, strict=True)]
    talks.append(converse(node_a, node_b, way, control, edge, edge, content))
    for talk in talks:
        talk.check()
    wire.secured(marker, *secret, flows=len(PAIRS))
    wire.clear(marker, control)


@pytest.mark.parametrize("way", [IPV4, IPV6, MAPPED], ids=lambda way: way.name)
def test_calls_that_begin_before_the_connection_is_there(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, way: Way
) -> None:
    content, secret, control = payload(marker), [ports.require() for _ in range(4)], ports.bypass()
    one = converse(node_a, node_b, way, secret[0], edge, edge, content, dialler=dial_by_edge)
    two = converse(node_a, node_b, way, secret[1], level(by_poll), sends_first, content, dialler=dial_by_edge)
    three = converse(node_a, node_b, way, secret[2], at_once, at_once, content, dialler=dial_early)
    four = converse(node_a, node_b, way, secret[3], at_once, receives_first, content, dialler=dial_early)
    five = converse(node_a, node_b, way, control, at_once, at_once, content, dialler=dial_early)
    for talk in (one, two, three, four, five):
        talk.check()
    wire.secured(marker, *secret, flows=4)
    wire.clear(marker, control)
