# SPDX-License-Identifier: Apache-2.0
"""Switching between agents that agree over a session and a module that agrees without them, while connections begin."""

from __future__ import annotations

import pytest

from tests.lab.kit.chat import Chat
from tests.lab.kit.control import tell
from tests.lab.kit.node import Node
from tests.lab.kit.ports import IPV4, Ports
from tests.lab.kit.steady import Steady
from tests.lab.kit.talk import payload
from tests.lab.kit.tlshub import Module
from tests.lab.kit.wire import Wire

NAMES = ("tlshub", "openssl")
BOTH = {"keys.provider": '"openssl"', "keys.providers_allowed": '["openssl", "tlshub"]'}
TIMES = 5


@pytest.mark.agents(node_a=BOTH, node_b=BOTH)
def test_each_node_by_itself_under_load(
    module: Module, node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    """Twenty switches: meanwhile the ends have different defaults, and the accepting one follows."""
    secret, preferred, talking = ports.require(), ports.prefer(), ports.require()
    chat = Chat(node_a, node_b, talking, marker)
    load = Steady(node_a, node_b, IPV4, payload(marker, 3000), secret, preferred)
    for name in NAMES * TIMES:
        for node in (node_a, node_b):
            tell(node, "provider", name)
    count = load.end()
    chat.end()
    served = []
    for node in (node_a, node_b):
        events = node.await_events("Secured", count + 1)
        assert len(events) == count + 1 and not node.events("Refused", "ReleasedClear")
        served.append({event["client"]: event["provider"] for event in events})
    assert served[0] == served[1] and set(served[0].values()) == set(NAMES)
    wire.secured(marker, secret, preferred, talking, flows=count + 1)
    for node in (node_a, node_b):
        wire.opened(marker, secret, preferred, talking, keys=node.keys)
