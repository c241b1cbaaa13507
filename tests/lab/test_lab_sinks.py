# SPDX-License-Identifier: Apache-2.0
"""The sinks 'csv' and 'prometheus' beside real agents: they count what was done, and carry the bytes of the wire."""

from __future__ import annotations

import csv
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.lab.kit.attempt import attempt
from tests.lab.kit.node import Event, Node
from tests.lab.kit.ports import IPV4, Ports
from tests.lab.kit.scraping import Scraping
from tests.lab.kit.talk import converse, payload, receives_first, sends_first
from tests.lab.kit.wire import Wire
from tests.lab.test_lab_control import bypassed

PORT, SECURED = 9464, 3
FILE = "connections.csv"


def sinks(address: str) -> Mapping[str, str]:
    """The configuration of a node at that address."""
    options = {"csv.path": FILE, "prometheus.address": address}
    named = {f"plugin.{key}": f'"{value}"' for key, value in options.items()}
    return {"events.sinks": '["jsonl", "csv", "prometheus"]', "plugin.prometheus.port": str(PORT), **named}


pytestmark = pytest.mark.agents(node_a=sinks("10.77.0.1"), node_b=sinks("10.77.0.2"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What was done: ports, and the process of each client that was secured by its port."""

    clients: Mapping[int, int]
    observed: int
    refused: int
    released: int


def do(node_a: Node, node_b: Node, ports: Ports, content: bytes) -> Done:
    """Some that are secured, one that is looked at; where the other node leaves all alone one refused, one in clear."""
    clients, observed, refused, released = {}, ports.observe(), ports.require(), ports.prefer()
    for port in (*(ports.require() for _ in range(SECURED)), observed):
        talk = converse(node_a, node_b, IPV4, port, sends_first, receives_first, content)
        talk.check()
        clients[port] = talk.client.pid
    del clients[observed]
    with bypassed(node_b):
        assert not attempt(node_a, node_b, IPV4, refused, content)[0]
        assert attempt(node_a, node_b, IPV4, released, content)[0]
    node_a.await_closed(SECURED + 3)
    node_b.await_closed(SECURED + 1)
    return Done(clients=clients, observed=observed, refused=refused, released=released)


def judged(wire: Wire, marker: bytes, done: Done) -> dict[str, tuple[int, int]]:
    """What the client and the server of each connection that was secured sent, by the client's end."""
    wire.silent(marker, done.refused)
    wire.clear(marker, done.released, done.observed)
    wire.secured(marker, *done.clients, flows=len(done.clients))
    return {found.client: found.sizes for found in wire.secret(marker, *done.clients)}


def rows(node: Node, flows: Sequence[object]) -> list[dict[str, str]]:
    """Those of these connections, when each has one."""
    deadline = time.monotonic() + 60
    while True:
        with node.agent.configuration.with_name(FILE).open(newline="") as file:
            found = [row for row in csv.DictReader(file) if row["flow"] in flows]
        if len(found) >= len(flows):
            return found
        assert time.monotonic() < deadline, f"{len(found)} rows of {len(flows)} connections"
        time.sleep(0.2)


def moved(row: Mapping[str, str]) -> tuple[int, int]:
    return int(row["bytes_sent"]), int(row["bytes_received"])


def by_flow(events: Sequence[Event]) -> dict[object, Event]:
    return {event["flow"]: event for event in events}


def test_the_table_has_a_row_for_each_connection(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    done = do(node_a, node_b, ports, payload(marker))
    sizes = judged(wire, marker, done)
    for node, others in ((node_a, {"observed": 1, "refused": 1, "released": 1}), (node_b, {"observed": 1})):
        begun, ended = by_flow(node.events("Connecting")), by_flow(node.events("Closed"))
        table = rows(node, list(begun))
        assert sorted(row["flow"] for row in table) == sorted(map(str, begun)), "one row each"
        assert Counter(row["outcome"] for row in table) == {"secured": SECURED, **others}
        for row in table:
            event = ended[row["flow"]]
            assert moved(row) == (event["bytes_sent"], event["bytes_received"])
            assert row["client"] == begun[row["flow"]]["client"] and row["began"] <= row["ended"]
        secured = [row for row in table if row["outcome"] == "secured"]
        assert {row["client"]: moved(row)[:: 1 if node is node_a else -1] for row in secured} == sizes
        for event in node.events("Secured"):
            (row,) = [row for row in secured if row["flow"] == event["flow"]]
            for column in ("provider", "cipher", "pid", "comm", "hold_ns", "setup_ns"):
                assert row[column] == str(event[column]), column
            assert (row["mode"], row["rule"], row["reason"]) == ("require", "7001-7049:require", "")
    begun = list(by_flow(node_a.events("Connecting")))
    mine = {int(row["server"].rpartition(":")[2]): row for row in rows(node_a, begun)}
    assert {port: int(mine[port]["pid"]) for port in done.clients} == done.clients
    assert mine[done.refused]["reason"] == mine[done.released]["reason"] == "no-rule"


def test_a_real_prometheus_counts_what_was_done(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, tmp_path: Path
) -> None:
    here, there = f"{node_a.ipv4}:{PORT}", f"{node_b.ipv4}:{PORT}"
    scraping = Scraping(node_a, tmp_path, {here: SECURED + 3, there: SECURED + 1})
    done = do(node_a, node_b, ports, payload(marker))
    growth, sizes = scraping.end(), judged(wire, marker, done).values()
    sent, received = (sum(way) for way in zip(*sizes, strict=True))
    for instance, node, ways in ((here, node_a, (sent, received)), (there, node_b, (received, sent))):
        one = partial(growth.of, instance=instance)
        decided = partial(one, "connections_decided_total")
        assert one("connections_total", mode="require") == SECURED + (node is node_a)
        assert decided(outcome="secured", mode="require", provider="openssl", reason="none") == SECURED
        assert decided(outcome="observed", mode="observe") == 1
        for outcome, mode in (("refused", "require"), ("released", "prefer")):
            assert decided(outcome=outcome, mode=mode, reason="no-rule") == decided(outcome=outcome) == (node is node_a)
        payloads = partial(one, "payload_bytes_total", outcome="secured")
        assert (payloads(direction="sent"), payloads(direction="received")) == ways, "as on the wire"
        side = "client" if node is node_a else "server"
        for name in ("hold", "negotiation", "setup"):
            assert one(f"{name}_seconds_count", provider="openssl", side=side) == SECURED, name
            assert one(f"{name}_seconds_sum") > 0, name
        assert one("agent_process_cpu_seconds_total") > 0
        for kind in ("Connecting", "KeysReady", "Secured", "Refused", "ReleasedClear", "Closed"):
            assert one("events_total", event=kind) == len(node.events(kind)), kind
    assert growth.of("payload_bytes_total", instance=here, outcome="released", direction="sent") == len(payload(marker))
