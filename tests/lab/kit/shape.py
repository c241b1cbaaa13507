# SPDX-License-Identifier: Apache-2.0
"""Agents that tests make ill, and whether they are well again."""

from __future__ import annotations

import pytest

from tests.lab.kit.node import Node
from tests.lab.kit.ports import IPV4, Ports
from tests.lab.kit.talk import converse, payload, receives_first, sends_first
from tests.lab.kit.wire import Wire

DEADLINE_S, SLACK_S = 4.0, 3.0
BURST = 30
FORKED = {"forked": "yes"}

_SHORT = {**FORKED, "capture.handshake_deadline_ms": str(int(DEADLINE_S * 1000))}
ill = pytest.mark.agents(node_a=FORKED, node_b=FORKED)
short = pytest.mark.agents(node_a=_SHORT, node_b=_SHORT)


def secured_again(node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes) -> None:
    """Assert that a new connection is secured."""
    port = ports.require()
    converse(node_a, node_b, IPV4, port, sends_first, receives_first, payload(marker)).check()
    wire.secured(marker, port, flows=1)
