# SPDX-License-Identifier: Apache-2.0
"""Connections that change hands before the agent could take the descriptor from whom it was reported for."""

from __future__ import annotations

from functools import partial

from tests.lab.kit.handing import Hand, Inherited, Passed, after, dial_handed, serve_handed
from tests.lab.kit.node import Node
from tests.lab.kit.polling import by_poll, edge_reader, level
from tests.lab.kit.ports import IPV4, Ports
from tests.lab.kit.slow import hold_s, planned, slow_agents
from tests.lab.kit.talk import Talk, dial, payload, receives_first, sends_first, serve
from tests.lab.kit.wire import Wire

SOON_S, IDLE_S = 0.15, 8.0
pytestmark = slow_agents
CASES: tuple[tuple[str, Hand, Talk, Talk], ...] = (
    # who hands it over and how, what the client says, what the server says
    ("server", Passed, sends_first, receives_first),
    ("server", Inherited, sends_first, receives_first),
    ("server", Passed, sends_first, edge_reader),
    ("server", Inherited, receives_first, sends_first),
    ("server", Passed, after(IDLE_S, sends_first), level(by_poll)),
    ("server", Inherited, after(IDLE_S, sends_first), edge_reader),
    ("client", Passed, sends_first, receives_first),
    ("client", Inherited, receives_first, sends_first),
    ("client", Passed, edge_reader, after(IDLE_S, sends_first)),
    ("client", Inherited, level(by_poll), after(IDLE_S, sends_first)),
)


def test_handed_over_before_the_first_byte(node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes) -> None:
    content, secret = payload(marker, 20_000), [ports.require() for _ in CASES]
    planned({port: [("descriptor", side, SOON_S)] for port, (side, *_) in zip(secret, CASES, strict=True)})
    jobs = []
    for port, (side, hand, client, server) in zip(secret, CASES, strict=True):
        serving = partial(serve_handed, hand=hand) if side == "server" else serve
        jobs.append(node_b.start(partial(serving, way=IPV4, port=port, talk=server, content=content)))
        assert jobs[-1].heard() == "listening"
        dialling = partial(dial_handed, hand=hand) if side == "client" else dial
        jobs.append(node_a.start(partial(dialling, way=IPV4, port=port, talk=client, content=content)))
    assert [job.result() == content for job in jobs] == [True] * len(jobs)
    wire.secured(marker, *secret, flows=len(CASES))
    for node in (node_a, node_b):
        held = max(map(hold_s, node.await_events("Secured", len(CASES))))
        assert held < IDLE_S, "found only when it was used: one that is idle for longer would have been refused"
