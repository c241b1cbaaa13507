# SPDX-License-Identifier: Apache-2.0
"""Long waits for an agent that does not answer: the threads that wait, at either end, are asleep."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pytest

from tests.lab.kit.chat import Flag
from tests.lab.kit.hold import stopped
from tests.lab.kit.job import Job, Say
from tests.lab.kit.node import Node
from tests.lab.kit.ports import IPV4, Ports
from tests.lab.kit.talk import accept, converse, listener, payload, receives_first, sends_first, take
from tests.lab.kit.wire import Wire

HUNG_S, MOST_SHARE, AT_ONCE = 3.0, 0.05, 2
WARM_S = 0.1  # of the product: so long after an answer a SYN goes at once
GATE_S = 1.0
PATIENT = {"plugin.openssl.handshake_timeout_s": "20"}  # of a dial to an agent that hangs, and is slow then


@dataclass(frozen=True, slots=True, kw_only=True)
class Waited:
    """What a thread received, its seconds, and those of them that it was on a core."""

    got: bytes
    seconds: float
    core_s: float


def timed(call: Callable[[], bytes]) -> Waited:
    began, burnt = time.monotonic(), time.thread_time()
    got = call()
    return Waited(got=got, seconds=time.monotonic() - began, core_s=time.thread_time() - burnt)


def speaks(say: Say, port: int, content: bytes) -> Waited:
    with socket.socket() as sock:
        say("begins")

        def talk() -> bytes:
            sock.connect((IPV4.host, port))
            return sends_first(sock, content)

        return timed(talk)


def answers(say: Say, port: int, content: bytes) -> Waited:
    with listener(IPV4, port) as door:
        say("listening")

        def talk() -> bytes:
            with accept(door) as sock:
                return receives_first(sock, content)

        return timed(talk)


def asleep(jobs: list[Job[Waited]], content: bytes) -> None:
    """Assert that all of them waited long, slept, and got what they waited for."""
    found = [job.result() for job in jobs]
    assert all(one.got == content for one in found)
    shares = [(round(one.seconds, 2), round(one.core_s, 3)) for one in found]
    assert all(one.seconds >= HUNG_S and one.core_s <= MOST_SHARE * one.seconds for one in found), shares


@pytest.mark.agents(node_a=PATIENT)
@pytest.mark.parametrize("session", [False, True], ids=["no-session", "session"])
@pytest.mark.parametrize("which", ["node-a", "node-b"])
def test_threads_sleep_while_an_agent_hangs(
    nodes: dict[str, Node],
    node_a: Node,
    node_b: Node,
    wire: Wire,
    ports: Ports,
    marker: bytes,
    which: str,
    session: bool,
) -> None:
    content, secret = payload(marker, 2000), [ports.require() for _ in range(AT_ONCE)]
    if session:
        converse(node_a, node_b, IPV4, ports.require(), sends_first, receives_first, b"for a session").check()
        node_a.await_closed(1)
        time.sleep(2 * WARM_S)
    else:
        node_b.agent.stop()
        node_b.agent.start(node_b.agent.changes)
        node_b.agent.ready()
    servers = [node_b.start(partial(answers, port=port, content=content)) for port in secret]
    assert {server.heard() for server in servers} == {"listening"}
    with stopped(nodes[which]):
        clients = [node_a.start(partial(speaks, port=port, content=content)) for port in secret]
        assert {client.heard() for client in clients} == {"begins"}
        time.sleep(HUNG_S)
    asleep([*clients, *servers], content)
    wire.secured(marker, *secret, flows=AT_ONCE)


def receives_in_vain(say: Say, port: int, go: Flag) -> Waited:
    """Accept when told, and receive for as long as the gate lets it wait."""
    with listener(IPV4, port) as door:
        say("listening")
        while not go.is_set():
            time.sleep(0.05)
        with accept(door) as sock:

            def talk() -> bytes:
                try:
                    return take(sock, 1)
                except ConnectionResetError:
                    return b"refused"

            return timed(talk)


@pytest.mark.agents(node_a={}, node_b={"capture.gate_deadline_ms": str(int(GATE_S * 1000))})
def test_a_thread_whose_own_agent_hangs_over_an_install_waits_for_the_gates_deadline_at_most(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    port, content, go = ports.require(), payload(marker, 2000), Flag()
    server = node_b.start(partial(receives_in_vain, port=port, go=go))
    assert server.heard() == "listening"
    node_a.start(partial(speaks, port=port, content=content))
    node_a.await_events("Secured", 1)
    time.sleep(1)  # by now the other agent has its keys for the connection, and waits for somebody to accept it
    with stopped(node_b):
        go.set()
        waited = server.result()
    assert waited.got == b"refused" and waited.seconds < GATE_S + 0.5, waited
    wire.secret(marker, port)
