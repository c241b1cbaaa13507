# SPDX-License-Identifier: Apache-2.0
"""The other node's agent answers late, into the void, or not at all; and a client that is gone when it has answered."""

from __future__ import annotations

import time
from functools import partial

import pytest

from tests.lab.kit.control import tell
from tests.lab.kit.hold import stopped
from tests.lab.kit.node import Node
from tests.lab.kit.ports import IPV4, IPV6, Ports
from tests.lab.kit.remains import nothing_left
from tests.lab.kit.steady import Steady
from tests.lab.kit.stress import times
from tests.lab.kit.talk import converse, dial, payload, receives_first, sends_first
from tests.lab.kit.trial import Record, trial
from tests.lab.kit.weather import PEERING, filtered
from tests.lab.kit.wire import Wire
from tests.lab.test_lab_outage import HANDSHAKE_S, SHORT

AT_MOST_S = HANDSHAKE_S + 6
BACK_S = 40.0
ANSWERS = ("output", f"tcp sport {PEERING} meta length > 100 drop")  # and not the acknowledgements
ALL = ("input", f"tcp dport {PEERING} drop")
LONG = pytest.mark.skipif(not times(0, 1), reason="'make stress' runs it, the other one is enough of a sample")
pytestmark = pytest.mark.agents(node_a=SHORT, node_b=SHORT)


@pytest.mark.parametrize("lost", [ANSWERS, pytest.param(ALL, marks=LONG)], ids=["answers", "everything"])
def test_an_agent_that_is_asked_and_not_heard(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, lost: tuple[str, str], record_property: Record
) -> None:
    """The session looks up. Asked is asked: with 'prefer', too, the connection is refused, and in time."""
    content, warm = payload(marker), ports.require()
    held, back, count = (ports.require(), ports.require(), ports.prefer()), ports.require(), times(1, 10)
    slowest = 0.0
    converse(node_a, node_b, IPV4, warm, sends_first, receives_first, content).check()
    with nothing_left(node_a, node_b):
        for _ in range(count):
            time.sleep(0.2)  # longer than 'warm_ms': the SYN waits
            with filtered(node_b, lost):
                found = trial(node_a, node_b, IPV4, held, content)
            for port in held:
                found.failed(port, HANDSHAKE_S - 0.1, AT_MOST_S)
            slowest = max(slowest, *(one.seconds for one in found.tried.values()))
            _await_service(node_a, node_b, back, content)
    wire.silent(marker, *held)
    wire.secret(marker, warm, back)
    assert {event["reason"] for event in node_a.events("Refused")} <= {"deadline", "peer-unreachable"}
    assert not node_a.events("ReleasedClear")
    record_property("times", len(held) * count)
    record_property(f"slowest refusal, of a deadline of {HANDSHAKE_S:.0f} s", f"{slowest:.1f} s")


def _await_service(node_a: Node, node_b: Node, port: int, content: bytes) -> None:
    """Until a connection is secured again; TCP repeats what was lost ever later, or finds that the session is over."""
    deadline = time.monotonic() + BACK_S
    while not trial(node_a, node_b, IPV4, (port,), content).good(port):
        assert time.monotonic() < deadline, "no connection is secured any more"


def test_an_agent_that_pauses_again_and_again_costs_no_connection(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, record_property: Record
) -> None:
    content, require, prefer = payload(marker, 2000), (ports.require(), ports.require()), ports.prefer()
    load = Steady(node_a, node_b, IPV4, content, *require, prefer)
    node_a.await_events("Secured", 1)
    pauses = times(3, 60)
    for _ in range(pauses):
        with stopped(node_b):
            time.sleep(0.3)
        time.sleep(0.2)
    count = load.end()
    assert len(wire.secret(marker, *require, prefer)) >= count > 0
    assert not node_a.events("Refused", "ReleasedClear") and not node_b.events("Refused", "ReleasedClear")
    record_property("times", pauses)
    record_property("connections", count)


def test_a_client_that_is_gone_when_its_keys_are_agreed(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, record_property: Record
) -> None:
    """Its SYN never comes: both agents forget it, and the next connections get keys of their own."""
    content, warm, count = payload(marker), ports.require(), times(4, 100)
    gone, many = ports.require(), times(1, 5)
    converse(node_a, node_b, IPV4, warm, sends_first, receives_first, content).check()
    with nothing_left(node_a, node_b):
        for _ in range(many):
            with filtered(node_b, ("input", f"tcp dport {gone} drop")):
                jobs = [
                    node_a.start(partial(dial, way=IPV4, port=gone, talk=sends_first, content=content))
                    for _ in range(count)
                ]
                _await_armed(node_a, count)
                for job in jobs:
                    job.kill()
                node_a.await_closed(count + 1)
            talks = [
                converse(node_a, node_b, way, ports.require(), sends_first, receives_first, content)
                for way in (IPV4, IPV6)
            ]
            for talk in talks:
                talk.check()
    wire.silent(marker, gone)
    record_property("times", count * many)
    assert not node_b.events("Refused", "ReleasedClear")


def _await_armed(node: Node, count: int) -> None:
    """Until so many of its connections have their keys agreed, and no TCP yet."""
    deadline = time.monotonic() + 30
    while (found := tell(node, "flows", "--state", "armed"))["total"] < count:
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
