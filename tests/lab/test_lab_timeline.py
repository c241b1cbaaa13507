# SPDX-License-Identifier: Apache-2.0
"""Timelines of real connections: their times in order, their bytes and records those that crossed the wire."""

from __future__ import annotations

import socket

from oracle.verdict import Finding

from tests.lab.kit.chat import Chat
from tests.lab.kit.control import tell
from tests.lab.kit.node import Event, Node
from tests.lab.kit.ports import IPV4, Ports
from tests.lab.kit.talk import converse, payload, receives_first, sends_first, take
from tests.lab.kit.wire import Wire
from tests.lab.test_lab_resets import ABRUPT

OVERHEAD = 22  # of a record: header, tag, and the byte for its type (RFC 8446, section 5.2)
# The agent's own stamps are made when a call has returned: the gate may open before that of RX.
ORDER = ("established_ns", "keys_ns", "tx_ns", "released_ns", "first_call_ns", "time_ns")


def number(event: Event, name: str) -> int:
    value = event[name]
    assert isinstance(value, int), f"'{name}' is {value}: {event}"
    return value


def in_order(event: Event, *names: str) -> None:
    times = [number(event, name) for name in names]
    assert times == sorted(times), f"{names}: {event}"


def of(node: Node, count: int = 1) -> Event:
    """The timeline of the test's connection at that node; one there is, with as many as there are connections."""
    found = node.await_events("Timeline", count)
    assert len(found) == count and len({event["flow"] for event in found}) == count, found
    return found[0]


def moved(event: Event) -> tuple[object, object]:
    return event["bytes_sent"], event["bytes_received"]


def records(event: Event) -> tuple[object, object]:
    return event["records_sent"], event["records_received"]


def on_the_wire(wire: Wire, marker: bytes, port: int) -> Finding:
    (found,) = wire.secret(marker, port)
    return found


def test_times_are_in_order_and_bytes_are_those_of_the_wire(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    port, content = ports.require(), payload(marker)
    converse(node_a, node_b, IPV4, port, sends_first, receives_first, content).check()
    client, server, found = of(node_a), of(node_b), on_the_wire(wire, marker, port)
    assert (client["side"], server["side"], server["syn_ns"]) == ("client", "server", None)
    for event in (client, server):
        assert (event["outcome"], event["mode"], event["provider"]) == ("open", "require", "openssl")
        in_order(event, *ORDER)
        in_order(event, "asked_ns", "keys_ns", "tx_ns", "rx_ns", "time_ns")
        in_order(event, "owner_ns", "keys_ns")
        assert 0 < number(event, "negotiation_ns") <= number(event, "keys_ns") - number(event, "asked_ns")
        if event["held_ns"] is not None:
            in_order(event, "held_ns", "released_ns")
    in_order(client, "syn_ns", "established_ns")
    in_order(client, "syn_ns", "asked_ns")
    assert client["owner_ns"] == client["syn_ns"]
    assert number(client, "syn_ns") <= number(server, "established_ns"), "one kernel has both nodes, and one clock"
    assert moved(client) == found.sizes and moved(server) == found.sizes[::-1]
    assert records(client) == found.records and records(server) == found.records[::-1]
    assert [size - OVERHEAD * count for size, count in zip(found.sizes, found.records, strict=True)] == [
        len(content)
    ] * 2, "what the applications moved, and the overhead of its records"


def test_a_reset_leaves_the_bytes_as_they_were(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    def resets(sock: socket.socket, content: bytes) -> bytes:
        sock.sendall(content)
        got = take(sock, len(content))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABRUPT)
        return got

    def waits_for_the_end(sock: socket.socket, content: bytes) -> bytes:
        got = receives_first(sock, content)
        try:
            sock.recv(1)
        except ConnectionResetError:
            return got
        raise AssertionError("the connection was not reset")

    port, content = ports.require(), payload(marker, 4000)
    converse(node_a, node_b, IPV4, port, resets, waits_for_the_end, content).check()
    client, server, found = of(node_a), of(node_b), on_the_wire(wire, marker, port)
    assert found.reset and moved(client) == found.sizes and moved(server) == found.sizes[::-1]
    assert records(client) == found.records
    assert records(server) == (None, None), "TCP's end came before that of the application's socket"


def test_what_an_agent_before_did_is_told_as_far_as_the_kernel_knows_it(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    port = ports.require()
    chat = Chat(node_a, node_b, port, marker)
    node_a.agent.kill()
    node_a.agent.start(node_a.agent.changes)
    node_a.agent.ready()
    chat.end()
    client, found = of(node_a), on_the_wire(wire, marker, port)
    assert (client["outcome"], client["provider"]) == ("open", "")
    in_order(client, "syn_ns", "established_ns", "released_ns", "first_call_ns", "time_ns")
    assert [client[name] for name in ("asked_ns", "keys_ns", "tx_ns", "rx_ns", "negotiation_ns")] == [None] * 5
    assert moved(client) == found.sizes and records(client) == found.records


def test_what_is_observed_is_timed_too_and_the_report_adds_up(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    before = tell(node_a, "report")
    secret, seen, content = ports.require(), ports.observe(), payload(marker)
    for port in (secret, seen):
        converse(node_a, node_b, IPV4, port, sends_first, receives_first, content).check()
    of(node_a, 2)
    (observed,) = [event for event in node_a.events("Timeline") if event["mode"] == "observe"]
    in_order(observed, "syn_ns", "established_ns", "time_ns")
    assert (observed["released_ns"], observed["provider"], *records(observed)) == (None, "", None, None)
    assert moved(observed) == (len(content), len(content))
    after = tell(node_a, "report")
    assert after["successful_connections"] == before["successful_connections"] + 1
    wanted = ("secured", "openssl", "client")
    (kind,) = [row for row in after["groups"] if (row["outcome"], row["provider"], row["side"]) == wanted]
    assert all(kind["metrics"][name]["min"] > 0 for name in ("connection_latency_ms", "key_negotiation_ms"))
    assert after["agent"]["memory_usage_kb"]["max"] > 0
    wire.secured(marker, secret, flows=1)
