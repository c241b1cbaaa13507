# SPDX-License-Identifier: Apache-2.0
"""Addresses that are translated on the way: never is one end in TLS and the other in clear, and it is said why not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from tests.lab.kit.node import Event, Node
from tests.lab.kit.ports import IPV4, Ports
from tests.lab.kit.remains import nothing_left
from tests.lab.kit.stress import times
from tests.lab.kit.talk import converse, payload, receives_first, sends_first
from tests.lab.kit.trial import Record, trial
from tests.lab.kit.weather import filtered
from tests.lab.kit.wire import Wire
from tests.lab.test_lab_local import OWN
from tests.lab.test_lab_outage import HANDSHAKE_S, SHORT

GATEWAY, SERVICE = "10.77.0.9", "10.77.0.8"  # a source that is put in, and an address that no machine has
BY_NAME = replace(IPV4, name="service", host=SERVICE)
AT_MOST_S = HANDSHAKE_S + 6


@contextmanager
def gateway(node: Node, *ports: int) -> Iterator[None]:
    """What leaves for these ports comes from another address."""
    node.run(["ip", "addr", "add", f"{GATEWAY}/32", "dev", node.name])
    try:
        with filtered(node, *(("leaving", f"tcp dport {port} snat ip to {GATEWAY}") for port in ports)):
            yield
    finally:
        node.run(["ip", "addr", "del", f"{GATEWAY}/32", "dev", node.name])


def reasons(events: list[Event]) -> set[object]:
    return {event["reason"] for event in events}


@pytest.mark.agents(node_a=SHORT, node_b=SHORT)
def test_the_clients_address_is_translated(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, record_property: Record
) -> None:
    content, warm, require, prefer = payload(marker), ports.require(), ports.require(), ports.prefer()
    count = times(1, 20)
    converse(node_a, node_b, IPV4, warm, sends_first, receives_first, content).check()
    with nothing_left(node_a, node_b), gateway(node_a, require, prefer):
        for _ in range(count):
            found = trial(node_a, node_b, IPV4, (require, prefer), content)
            for port in (require, prefer):
                found.failed(port, at_most=AT_MOST_S)
    wire.secret(marker, warm, require, prefer)
    assert reasons(node_b.await_events("Refused", 2 * count)) == {"peer-unknown", "not-yours"}
    assert not node_a.events("ReleasedClear") and not node_b.events("ReleasedClear")
    record_property("times", 2 * count)


@pytest.mark.agents(node_a=SHORT, node_b=SHORT)
def test_a_port_is_published_by_another_number(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, record_property: Record
) -> None:
    content, warm, count = payload(marker), ports.require(), times(1, 20)
    require, prefer = (ports.require(), ports.require()), (ports.prefer(), ports.prefer())
    published = [("arriving", f"tcp dport {outer} redirect to :{inner}") for outer, inner in (require, prefer)]
    converse(node_a, node_b, IPV4, warm, sends_first, receives_first, content).check()
    with nothing_left(node_a, node_b), filtered(node_b, *published):
        for _ in range(count):
            found = trial(node_a, node_b, IPV4, (require[0], prefer[0]), content, also=(require[1], prefer[1]))
            for port in (require[0], prefer[0]):
                found.failed(port, at_most=AT_MOST_S)
    wire.secret(marker, warm, *require, *prefer)
    assert "not-yours" in reasons(node_b.await_events("Refused", 2 * count))
    assert not node_a.events("ReleasedClear") and not node_b.events("ReleasedClear")
    record_property("times", 2 * count)


@pytest.mark.agents(node_a=SHORT, node_b=SHORT)
def test_an_address_that_no_mapping_knows_is_translated_to_the_servers(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    content, require, prefer = payload(marker), ports.require(), ports.prefer()
    node_a.run(["ip", "route", "add", SERVICE, "dev", node_a.name])
    with filtered(node_a, ("sent", f"ip daddr {SERVICE} dnat ip to {node_b.ipv4}")), nothing_left(node_a, node_b):
        found = trial(node_a, node_b, BY_NAME, (require, prefer), content)
    node_a.run(["ip", "route", "del", SERVICE, "dev", node_a.name])
    found.failed(require, at_most=2.0)
    assert found.good(prefer) and found.served[prefer] == [content], "released at both ends, or at none"
    wire.silent(marker, require)
    wire.clear(marker, prefer)
    assert reasons(node_a.await_events("Refused", 1)) == {"peer-unknown"}
    assert reasons(node_a.await_events("ReleasedClear", 1)) == {"peer-unknown"}
    assert len(node_b.await_events("ReleasedClear", 1)) == 1


@pytest.mark.agents(node_a=SHORT, node_b=SHORT)
def test_on_one_node_a_port_is_published_by_another_number(node_a: Node, ports: Ports, marker: bytes) -> None:
    content = payload(marker)
    require, prefer = (ports.require(), ports.require()), (ports.prefer(), ports.prefer())
    published = [("sent", f"tcp dport {outer} dnat ip to {node_a.ipv4}:{inner}") for outer, inner in (require, prefer)]
    with nothing_left(node_a), filtered(node_a, *published):
        found = trial(node_a, node_a, OWN, (require[0], prefer[0]), content, also=(require[1], prefer[1]))
    for port in (require[0], prefer[0]):
        found.failed(port, at_most=AT_MOST_S)
    assert "not-yours" in reasons(node_a.await_events("Refused", 2))
    assert not node_a.events("ReleasedClear")
