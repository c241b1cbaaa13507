# SPDX-License-Identifier: Apache-2.0
"""A tuple that is used again, while TLSHub's module may still have the master key of the connection before."""

from __future__ import annotations

import socket
import struct
from functools import partial

import pytest

from tests.lab.kit.job import Failed, Say
from tests.lab.kit.node import Node
from tests.lab.kit.ports import IPV4, Ports, Way
from tests.lab.kit.talk import Conversation, Talk, converse, payload, receives_first, sends_first
from tests.lab.kit.tlshub import Module, with_tlshub
from tests.lab.kit.wire import Wire

ABRUPT = struct.pack("=ii", 1, 0)


def dial_from(_say: Say, way: Way, port: int, talk: Talk, content: bytes, source: int) -> bytes:
    """From that port, and ended so that it is free again at once."""
    with socket.socket(way.family) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("", source))
        sock.connect((way.host, port))
        got = talk(sock, content)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABRUPT)
        return got


def from_one_port(node_a: Node, node_b: Node, port: int, content: bytes) -> Conversation:
    """One more connection of the tuple that the others on this port had."""
    dialler = partial(dial_from, source=port + 20_000)
    return converse(node_a, node_b, IPV4, port, sends_first, receives_first, content, dialler=dialler)


@with_tlshub()
def test_a_tuple_that_is_used_again_gets_other_keys(
    module: Module, node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    content, port, count = payload(marker), ports.require(), 3
    module.script("node-a", "reset")
    for number in range(1, count + 1):
        from_one_port(node_a, node_b, port, content).check()
        for node in (node_a, node_b):
            node.await_closed(number)
    wire.secured(marker, port, flows=count)
    for node in (node_a, node_b):
        wire.opened(marker, port, keys=node.keys)
    assert module.asked("node-a")["v1 start client"] == str(count)


@with_tlshub()
@pytest.mark.parametrize("restarted", ["node-a", "node-b"])
def test_an_agent_that_is_new_trusts_no_key_from_before(
    module: Module, nodes: dict[str, Node], node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes,
    restarted: str,
) -> None:  # fmt: skip
    content, port, agent = payload(marker), ports.require(), nodes[restarted].agent
    from_one_port(node_a, node_b, port, content).check()
    for node in (node_a, node_b):
        node.await_closed(1)
    module.script("node-a", "reset")
    module.script("node-b", "reset")
    agent.stop()
    agent.start(agent.changes)
    agent.ready()
    from_one_port(node_a, node_b, port, content).check()
    wire.secured(marker, port, flows=2)
    for node in (node_a, node_b):
        wire.opened(marker, port, keys=node.keys)
    assert module.asked(restarted)["v1 init server"] == "1"
    assert module.asked("node-a")["v1 start client"] == "1"


@with_tlshub()
def test_a_key_of_which_nobody_knows_the_use_is_refused_where_the_module_keeps_it(
    module: Module, node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    content, port, agent = payload(marker), ports.require(), node_a.agent
    from_one_port(node_a, node_b, port, content).check()
    agent.stop()
    agent.start(agent.changes)
    agent.ready()
    module.script("node-a", "reset", "connected 1")
    refused = from_one_port(node_a, node_b, port, content)
    with pytest.raises(Failed, match=r"(Connection\w+|Timeout)Error"):
        refused.client.result()
    refused.server.kill()
    assert node_a.await_events("Refused", 1)[0]["reason"] == "replayed"
    from_one_port(node_a, node_b, port, content).check()
    wire.secured(marker, port, flows=2)
