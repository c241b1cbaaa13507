# SPDX-License-Identifier: Apache-2.0
"""Blocking applications, whoever speaks first, over every address family; and the control that shows the marker."""

from __future__ import annotations

import pytest

from tests.lab.kit.node import Node
from tests.lab.kit.ports import IPV4, WAYS, Ports, Way
from tests.lab.kit.talk import at_once, converse, payload, receives_first, sends_first
from tests.lab.kit.wire import Wire

ORDERS = ((sends_first, receives_first), (receives_first, sends_first), (at_once, at_once))


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_bytes_arrive_and_none_is_in_clear(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, way: Way
) -> None:
    secret, control = [ports.require() for _ in ORDERS], ports.bypass()
    content = payload(marker)
    talks = [converse(node_a, node_b, way, port, *order, content) for port, order in zip(secret, ORDERS, strict=True)]
    talks.append(converse(node_a, node_b, way, control, *ORDERS[0], content))
    for talk in talks:
        talk.check()
    wire.secured(marker, *secret, flows=len(ORDERS))
    wire.clear(marker, control)
    for node in (node_a, node_b):
        found = node.await_events("Secured", len(ORDERS))
        assert {(event["provider"], event["cipher"]) for event in found} == {("openssl", "aes-gcm-128")}


def test_what_is_only_preferred_is_secured_too_and_what_is_observed_is_reported(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    prefer, observe = ports.prefer(), ports.observe()
    content = payload(marker)
    for port in (prefer, observe):
        converse(node_a, node_b, IPV4, port, sends_first, receives_first, content).check()
    wire.secured(marker, prefer, flows=1)
    wire.clear(marker, observe)
    assert len(node_a.await_events("Secured", 1)) == 1
    (closed,) = [e for e in node_a.await_events("Closed", 2) if not e["secured"]]
    assert (closed["bytes_sent"], closed["bytes_received"]) == (len(content), len(content))
