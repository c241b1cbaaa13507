# SPDX-License-Identifier: Apache-2.0
"""The agent loses the processor between any two steps of an install, on either end or both, while applications talk."""

from __future__ import annotations

import os
import signal
import socket
import struct
import time
from contextlib import suppress
from functools import partial

from tests.lab.kit.hold import warm
from tests.lab.kit.job import Say
from tests.lab.kit.node import Node
from tests.lab.kit.polling import by_epoll, by_poll, by_select, edge, edge_reader, edge_writer, level
from tests.lab.kit.ports import IPV4, Ports
from tests.lab.kit.rounds import rounds
from tests.lab.kit.slow import SIDES, STEPS, hold_s, planned, slow_agents
from tests.lab.kit.talk import accept, at_once, listener, payload, receives_first, sends_first
from tests.lab.kit.wire import Wire

DELAY_S, LONG_S = 0.1, 0.6
ENDED_S = 120.0  # the servers take one after the other, and each end that waits is repeated ever later
PAIRS = (
    (level(by_select), level(by_select)),
    (level(by_poll), level(by_epoll)),
    (level(by_epoll), level(by_poll)),
    (edge, edge),
    (sends_first, edge_reader),
    (edge_reader, sends_first),
    (edge_writer, receives_first),
    (receives_first, edge_writer),
    (at_once, at_once),
)
ABRUPT = struct.pack("=ii", 1, 0)
pytestmark = slow_agents


def test_no_delay_costs_a_byte_or_a_readiness(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    plans = [(step, side, DELAY_S) for side in SIDES for step in STEPS]
    secret, content = [ports.require() for _ in PAIRS], payload(marker, 20_000)
    planned(dict.fromkeys(secret, plans))
    talks = [
        rounds(node_a, node_b, IPV4, port, *pair, content, len(plans)) for port, pair in zip(secret, PAIRS, strict=True)
    ]
    for talk in talks:
        talk.check()
    wire.secured(marker, *secret, flows=len(PAIRS) * len(plans))
    for node, side in ((node_a, "client"), (node_b, "server")):
        slow = sum(plan[1] in (side, "both") for plan in plans) * len(PAIRS)
        found = node.await_events("Secured", len(PAIRS) * len(plans))
        assert sum(hold_s(event) >= DELAY_S for event in found) >= slow, "the delays were not there"


def until_it_ends(say: Say, port: int, count: int) -> None:
    """Read each connection until it ends, one way or the other."""
    with listener(IPV4, port) as door:
        say("listening")
        for _ in range(count):
            with accept(door) as connection, suppress(OSError):
                while connection.recv(65536):
                    continue


def end_soon(_say: Say, port: int, how: str, content: bytes, count: int) -> None:
    """So many connections, each ended in the middle of the install."""
    for _ in range(count):
        with socket.create_connection((IPV4.host, port)) as sock:
            if how == "reset":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABRUPT)
            time.sleep(LONG_S / 3)
            if how == "killed":
                os.waitpid(_killed_in_recv(sock), 0)
            with suppress(BlockingIOError):
                sock.send(content, socket.MSG_DONTWAIT)


def _killed_in_recv(sock: socket.socket) -> int:
    child = os.fork()
    if child == 0:
        sock.recv(1)
        os._exit(0)
    time.sleep(LONG_S / 6)
    os.kill(child, signal.SIGKILL)
    return child


def test_what_ends_in_the_middle_of_an_install_leaves_nothing(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    ends, plans = ("reset", "closed", "killed"), [(step, side, LONG_S) for side in SIDES[:2] for step in STEPS]
    secret, count = [ports.require() for _ in ends], len(plans)
    planned(dict.fromkeys(secret, plans))
    warm(node_a, node_b, ports.require())  # a session of the agents has a descriptor, too
    before = [node.agent.descriptors() for node in (node_a, node_b)]
    servers = [node_b.start(partial(until_it_ends, port=port, count=count)) for port in secret]
    assert {server.heard() for server in servers} == {"listening"}
    clients = [
        node_a.start(partial(end_soon, port=port, how=how, content=payload(marker), count=count))
        for port, how in zip(secret, ends, strict=True)
    ]
    for job in clients:
        job.result()
    for node, descriptors in zip((node_a, node_b), before, strict=True):
        node.await_closed(len(ends) * count, ENDED_S)
        node.agent.await_descriptors(descriptors)
    wire.secret(marker, *secret)
    assert len(node_a.events("Connecting")) == len(ends) * count
