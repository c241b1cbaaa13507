# SPDX-License-Identifier: Apache-2.0
"""The other node's agent is away, is stopped, or is talked to by somebody who speaks nonsense."""

from __future__ import annotations

import os
import socket
import time
from functools import partial

import pytest

from tests.lab.kit.attempt import attempt
from tests.lab.kit.babble import babble
from tests.lab.kit.hold import stopped
from tests.lab.kit.node import Node
from tests.lab.kit.ports import IPV4, IPV6, Ports
from tests.lab.kit.talk import converse, payload, receives_first, sends_first, take
from tests.lab.kit.wire import Wire

HANDSHAKE_S = 4.0
SHORT = {"capture.handshake_deadline_ms": str(int(HANDSHAKE_S * 1000))}


@pytest.mark.agents(node_a=SHORT, node_b=SHORT)
def test_a_peer_whose_agent_is_down(node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes) -> None:
    content, require, prefer = payload(marker), [ports.require(), ports.require()], ports.prefer()
    node_b.agent.stop()
    for way, port in zip((IPV4, IPV6), require, strict=True):
        good, seconds = attempt(node_a, node_b, way, port, content)
        assert not good and seconds < HANDSHAKE_S + 2, seconds
    assert attempt(node_a, node_b, IPV4, prefer, content)[0]
    wire.silent(marker, *require)
    wire.clear(marker, prefer)
    (released,) = node_a.await_events("ReleasedClear", 1)
    assert released["reason"] == "peer-unreachable" and len(node_a.await_events("Refused", 2)) == 2


@pytest.mark.agents(node_a=SHORT, node_b=SHORT)
def test_it_is_secured_when_that_agent_is_back(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    content, port = payload(marker), ports.require()
    converse(node_a, node_b, IPV4, port, sends_first, receives_first, content).check()
    wire.secured(marker, port, flows=1)


@pytest.mark.agents(node_a=SHORT, node_b=SHORT)
def test_a_peer_whose_agent_hangs(node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes) -> None:
    content, warm, held = payload(marker), ports.require(), (ports.require(), ports.prefer())
    converse(node_a, node_b, IPV4, warm, sends_first, receives_first, content).check()
    with stopped(node_b):
        for port in held:  # asked is asked: 'prefer' is refused as well, never one end in clear and the other in TLS
            good, seconds = attempt(node_a, node_b, IPV4, port, content)
            assert not good and HANDSHAKE_S - 0.1 <= seconds < HANDSHAKE_S + 6, seconds
    wire.silent(marker, *held)
    assert [event["reason"] for event in node_a.await_events("Refused", 2)] == ["deadline"] * 2
    again = ports.require()
    converse(node_a, node_b, IPV4, again, sends_first, receives_first, content).check()
    wire.secured(marker, warm, again)


def slowly(sock: socket.socket, content: bytes) -> bytes:
    for at in range(0, len(content), 4096):
        sock.sendall(content[at : at + 4096])
        time.sleep(0.2)
    return content


def listens(sock: socket.socket, content: bytes) -> bytes:
    return take(sock, len(content))


@pytest.mark.agents(node_a=SHORT, node_b=SHORT)
def test_nonsense_to_the_agents_port_disturbs_nobody(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    content, running, after = payload(marker), ports.require(), ports.require()
    talk = converse(node_a, node_b, IPV4, running, slowly, listens, content)
    node_a.await_events("Secured", 1)
    assert set(node_a.start(partial(babble, host=node_b.ipv4, folder=os.environ["LAB_PKI"])).result()) == {"ended"}
    converse(node_a, node_b, IPV4, after, sends_first, receives_first, content).check()
    talk.check()
    found = wire.secret(marker, running, after)
    assert len(found) == 2 and all(sum(one.records) for one in found)
    assert not node_a.events("SessionDown"), "the session between the agents ended"
