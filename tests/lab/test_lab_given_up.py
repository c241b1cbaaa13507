# SPDX-License-Identifier: Apache-2.0
"""Programs that are rid of a connection while it is held: nothing is in clear or left behind, and the peer is told."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

import pytest

from tests.lab.kit import giving_up
from tests.lab.kit.handing import Hand
from tests.lab.kit.hold import GATE, stopped, warm
from tests.lab.kit.job import Say
from tests.lab.kit.node import Node
from tests.lab.kit.ports import IPV4, Ports
from tests.lab.kit.remains import nothing_left
from tests.lab.kit.talk import converse, payload, receives_first, sends_first, serve
from tests.lab.kit.wire import Wire
from tests.lab.test_lab_odd_processes import SIZE, Accepting, dialling, hears

GIVEN_UP: tuple[Hand, ...] = (giving_up.closed, giving_up.overwritten, giving_up.lost_by_exec, giving_up.killed)


def test_accepted_and_given_up_while_it_is_held(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    content, secret, first = payload(marker, SIZE), [ports.require() for _ in GIVEN_UP], ports.require()
    converse(node_a, node_b, IPV4, first, sends_first, receives_first, content).check()
    with nothing_left(node_a, node_b):
        servers = Accepting(node_b, GIVEN_UP, secret, content)
        clients = [node_a.start(partial(hears, port=port, talk=sends_first, content=content)) for port in secret]
        node_a.await_events("Secured", len(secret) + 1)
        with stopped(node_b):
            servers.go()
        assert [job.result() for job in (*servers.jobs, *clients)] == [b""] * 2 * len(secret)
        for node in (node_a, node_b):
            node.await_closed(len(secret) + 1)
    wire.secret(marker, first, *secret)


@pytest.mark.agents(node_a=GATE)
def test_connected_and_given_up_while_it_is_held(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    content, secret = payload(marker, SIZE), [ports.require() for _ in GIVEN_UP]
    warm(node_a, node_b, ports.require())

    def serve_nobody(say: Say, port: int) -> bytes:
        with suppress(ConnectionError):
            return serve(say, IPV4, port, receives_first, content)
        return b""

    with nothing_left(node_a, node_b):
        servers = [node_b.start(partial(serve_nobody, port=port)) for port in secret]
        assert {server.heard() for server in servers} == {"listening"}
        with stopped(node_b):
            clients = dialling(node_a, GIVEN_UP, secret, content)
        assert [job.result() for job in (*clients, *servers)] == [b""] * 2 * len(secret)
        for node in (node_a, node_b):
            node.await_closed(len(secret))
    wire.secret(marker, *secret)
