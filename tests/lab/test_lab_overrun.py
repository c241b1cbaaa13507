# SPDX-License-Identifier: Apache-2.0
"""Events of the kernel are lost while an agent stands still: what they would have told is found all the same."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial

import pytest

from tests.lab.kit.crowd import dial_many, echo_many
from tests.lab.kit.hold import stopped
from tests.lab.kit.node import Node
from tests.lab.kit.pins import detach, until
from tests.lab.kit.ports import IPV4, Ports
from tests.lab.kit.stress import times, turns
from tests.lab.kit.talk import payload
from tests.lab.kit.wire import Wire

COUNT = times(60, 120)


@pytest.fixture
def narrow(node_a: Node) -> Iterator[Node]:
    """The clients' node, its agent with a ring buffer for some twenty events: that of the first agent stays."""
    programs = os.environ.get("LAB_NARROW") or pytest.skip("a release with a small ring buffer could not be compiled")
    node_a.agent.stop()
    detach(node_a)
    node_a.agent.start({"capture.backend": '"libbpf"', "plugin.libbpf.object": f'"{programs}"'})
    node_a.agent.ready()
    yield node_a
    node_a.agent.stop()
    detach(node_a)


@turns(10)
def test_a_crowd_that_an_agent_has_not_heard_of_is_secured(
    narrow: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    port, content = ports.require(), payload(marker, 2000)
    server = node_b.start(partial(echo_many, way=IPV4, port=port, size=len(content), count=COUNT))
    assert server.heard() == "listening"
    with stopped(narrow):
        client = narrow.start(partial(dial_many, way=IPV4, port=port, content=content, count=COUNT))
        until(lambda: begun(narrow, port) >= COUNT, "the clients do not connect")
    assert client.result(200) == (COUNT, 0)
    server.result(200)
    assert {event["sink"] for event in narrow.await_events("Lost", 1)} == {"ring buffer"}
    assert len(narrow.await_events("Secured", COUNT)) == COUNT
    wire.secured(marker, port, flows=COUNT)


def begun(node: Node, port: int) -> int:
    """How many sockets of the node connect to that port, or have."""
    return len(node.run(["ss", "-Htn", "state", "all", f"dport = :{port}"]).splitlines())
