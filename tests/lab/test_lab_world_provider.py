# SPDX-License-Identifier: Apache-2.0
"""A key provider that breaks, in every step, at either end, under every mode: that connection fails, and no other."""

from __future__ import annotations

import json
import os
from itertools import product
from pathlib import Path

import pytest

from tests.lab.kit.node import Node
from tests.lab.kit.ports import IPV4, Ports
from tests.lab.kit.remains import nothing_left
from tests.lab.kit.stress import times
from tests.lab.kit.talk import converse, payload, receives_first, sends_first
from tests.lab.kit.trial import Record, trial
from tests.lab.kit.wire import Wire
from tests.lab.test_lab_outage import HANDSHAKE_S, SHORT

FAULTS = (
    "raises", "hangs", "returns-junk", "asks-and-raises",
    "keys-raise", "keys-hang", "keys-junk", "keys-short", "keys-wrong", "discard-raises",
)  # fmt: skip
GATE_S = 2.0
HARMLESS = "discard-raises"
_BROKEN = {
    **SHORT,
    "program": str(Path(__file__).with_name("kit") / "broken_agent.py"),
    "capture.gate_deadline_ms": str(int(GATE_S * 1000)),
}


@pytest.mark.agents(node_a=_BROKEN, node_b=_BROKEN)
@pytest.mark.skipif(not times(0, 1), reason="'make stress' runs it: it starts both agents anew")
def test_a_provider_that_breaks(
    node_a: Node,
    node_b: Node,
    wire: Wire,
    ports: Ports,
    marker: bytes,
    record_property: Record,
) -> None:
    content, count = payload(marker, 3000), times(1, 5)
    converse(node_a, node_b, IPV4, warm := ports.require(), sends_first, receives_first, content).check()
    plan = {ports.require(): one for one in product(("client", "server"), FAULTS)}
    preferred = {ports.prefer(): one for one in product(("client", "server"), FAULTS)}
    _plan({**plan, **preferred})
    slowest = 0.0
    with nothing_left(node_a, node_b):
        for _ in range(count):
            found = trial(node_a, node_b, IPV4, (*plan, *preferred), content)
            for port, (_, fault) in {**plan, **preferred}.items():
                assert found.tried[port].seconds < HANDSHAKE_S + GATE_S + 10, (port, fault, found.tried[port])
                assert found.good(port) or fault != HARMLESS, (port, fault, found.tried[port])
            for port in plan:
                assert plan[port][1] == HARMLESS or not found.good(port), (port, plan[port])
            slowest = max(slowest, *(one.seconds for one in found.tried.values()))
    wire.secret(marker, *plan)
    converse(node_a, node_b, IPV4, ports.require(), sends_first, receives_first, content).check()
    wire.secret(marker, warm)
    said = {str(event["reason"]) for node in (node_a, node_b) for event in node.events("Refused")}
    assert {"provider-bug", "ktls-unavailable", "deadline"} <= said, said
    record_property("times", count * len({**plan, **preferred}))
    record_property("slowest end", f"{slowest:.1f} s")
    for node in (node_a, node_b):
        node.agent.begin()  # the bug in 'discard' was logged with its trace, as it has to be


def _plan(faults: dict[int, tuple[str, str]]) -> None:
    (Path(os.environ["LAB_NODES"]) / "faults.json").write_text(json.dumps(faults))
