# SPDX-License-Identifier: Apache-2.0
"""Nodes are upgraded one after the other: agents of two releases secure connections, and what one lacks only waits."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.kit.chat import Chat
from tests.lab.kit.node import Node
from tests.lab.kit.ports import IPV4, Ports
from tests.lab.kit.talk import converse, payload, receives_first, sends_first
from tests.lab.kit.trial import trial
from tests.lab.kit.wire import Wire
from tests.lab.test_lab_odd_sockets import CLIENT

DEADLINE_S = 4.0
SHORT = {"capture.handshake_deadline_ms": f"{DEADLINE_S * 1000:.0f}"}
OLD = {**SHORT, "program": str(Path(__file__).with_name("kit") / "old_agent.py")}
pytestmark = pytest.mark.agents(node_a=SHORT, node_b=OLD)


def test_the_connecting_nodes_agent_is_the_newer_one_and_then_the_other_follows(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    """A client whose socket can take no TLS: only the newer release tells the other node so, in a frame of its own."""
    going, content = ports.require(), payload(marker)
    secured, clear = [ports.require(), ports.require()], [ports.prefer(), ports.prefer()]
    chat = Chat(node_a, node_b, going, marker)
    before = trial(node_a, node_b, CLIENT, (clear[0],), content)
    converse(node_a, node_b, IPV4, secured[0], sends_first, receives_first, content).check()
    node_b.agent.kill()
    node_b.agent.start(SHORT)
    node_b.agent.ready()
    converse(node_a, node_b, IPV4, secured[1], receives_first, sends_first, content).check()
    after = trial(node_a, node_b, CLIENT, (clear[1],), content)
    assert before.good(clear[0]) and after.good(clear[1]), (before.tried, after.tried)
    assert [event["reason"] for event in node_b.await_events("ReleasedClear", 2)] == ["peer-unreachable", "mptcp"]
    assert not node_a.events("Refused") + node_b.events("Refused")
    assert chat.end() is False
    wire.secured(marker, going, *secured, flows=3)
    wire.clear(marker, *clear)
