# SPDX-License-Identifier: Apache-2.0
"""Released in clear, because the peer's agent says no: pollers that met EAGAIN meanwhile are woken, late or not."""

from __future__ import annotations

from tests.lab.kit.node import Node
from tests.lab.kit.ports import IPV4, Ports
from tests.lab.kit.rounds import rounds
from tests.lab.kit.slow import ONE_SIDED, planned, slow_agents
from tests.lab.kit.talk import converse, payload, receives_first, sends_first
from tests.lab.kit.wire import Wire
from tests.lab.test_lab_delays import PAIRS

PLANS = (("failing", "client", 0.1), ("waking", "client", 0.1), ("", "client", 0.0))
pytestmark = slow_agents


def test_no_readiness_is_lost_to_a_release_in_clear(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    content, count = payload(marker, 20_000), len(PAIRS) * len(PLANS)
    converse(node_a, node_b, IPV4, ports.require(), sends_first, receives_first, content).check()
    planned(dict.fromkeys(ONE_SIDED, PLANS))
    talks = [
        rounds(node_a, node_b, IPV4, port, *pair, content, len(PLANS))
        for port, pair in zip(ONE_SIDED, PAIRS, strict=True)
    ]
    for talk in talks:
        talk.check()
    wire.clear(marker, *ONE_SIDED)
    assert {event["reason"] for event in node_a.await_events("ReleasedClear", count)} == {"no-rule"}
    assert len(node_a.events("Held")) > 0 and not node_a.events("Refused")
