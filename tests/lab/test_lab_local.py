# SPDX-License-Identifier: Apache-2.0
"""Both ends on one node: no session, random keys, and still nothing in clear, not on loopback either."""

from __future__ import annotations

from socket import AF_INET, AF_INET6

import pytest

from tests.lab.kit.node import Node
from tests.lab.kit.ports import Ports, Way
from tests.lab.kit.talk import at_once, converse, payload
from tests.lab.kit.wire import Wire

LOOPBACK = Way(name="lo", listen_family=AF_INET, listen_host="127.0.0.1", family=AF_INET, host="127.0.0.1")
LOOPBACK6 = Way(name="lo-ipv6", listen_family=AF_INET6, listen_host="::1", family=AF_INET6, host="::1")
OWN = Way(name="own", listen_family=AF_INET6, listen_host="::", family=AF_INET, host="10.77.0.1")


@pytest.mark.parametrize("way", [LOOPBACK, LOOPBACK6, OWN], ids=lambda way: way.name)
def test_client_and_server_on_one_node(node_a: Node, loopback: Wire, ports: Ports, marker: bytes, way: Way) -> None:
    loopback.begin()
    port, control, content = ports.require(), ports.bypass(), payload(marker)
    for one in (port, control):
        converse(node_a, node_a, way, one, at_once, at_once, content).check()
    loopback.secured(marker, port, flows=1)
    loopback.clear(marker, control)
    assert {event["provider"] for event in node_a.await_events("Secured", 2)} == {"local"}
