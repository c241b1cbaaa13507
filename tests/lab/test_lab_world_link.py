# SPDX-License-Identifier: Apache-2.0
"""A link that loses and reorders packets, the agents' own among them: all is slower, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from tests.lab.kit.node import Node
from tests.lab.kit.ports import IPV4, IPV6, Ports
from tests.lab.kit.stress import times
from tests.lab.kit.talk import at_once, converse, payload, receives_first, sends_first
from tests.lab.kit.trial import Record
from tests.lab.kit.weather import poor_link
from tests.lab.kit.wire import Wire

POOR = "delay 10ms 4ms loss 5% reorder 25% 50%"
TALKS = ((IPV4, sends_first, receives_first), (IPV6, receives_first, sends_first), (IPV4, at_once, at_once))


def test_what_is_lost_and_reordered_arrives_bit_for_bit_and_in_records(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, record_property: Record
) -> None:
    content, count = payload(marker, 200_000), times(1, 20)
    for _ in range(count):
        secret: Sequence[int] = [ports.require() for _ in TALKS]
        wire.begin()
        with poor_link(POOR, node_a, node_b):
            talks = [
                converse(node_a, node_b, way, port, client, server, content)
                for port, (way, client, server) in zip(secret, TALKS, strict=True)
            ]
            for talk in talks:
                talk.check()
        wire.secured(marker, *secret, flows=len(TALKS))
    assert not node_a.events("Refused", "ReleasedClear") and not node_b.events("Refused", "ReleasedClear")
    record_property("times", len(TALKS) * count)
