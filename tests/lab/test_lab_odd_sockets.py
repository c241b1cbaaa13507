# SPDX-License-Identifier: Apache-2.0
"""Sockets that can take no KTLS: their connections are refused, or go in clear at both ends, and it is said why."""

from __future__ import annotations

import errno
import socket
import subprocess
from dataclasses import replace
from functools import partial

import pytest

from tests.lab.kit.chat import Flag
from tests.lab.kit.hold import gate, held, speaker, spoken, stopped, warm
from tests.lab.kit.job import Say
from tests.lab.kit.node import Node
from tests.lab.kit.ports import IPV4, IPV6, Ports, Way
from tests.lab.kit.remains import nothing_left
from tests.lab.kit.repair import GREETING, TCP_REPAIR, greeted
from tests.lab.kit.talk import accept, converse, listener, payload, receives_first, sends_first, take
from tests.lab.kit.trial import trial
from tests.lab.kit.wire import Wire
from tests.lab.test_lab_control import bypassed
from tests.lab.test_lab_refusals import TCP_ULP, number_of

MPTCP = 262
AT_MOST_S = 8.0  # the deadlines of the lab's agents are later by far
BOTH = replace(IPV4, name="both", listen_protocol=MPTCP, protocol=MPTCP)
CLIENT = replace(IPV4, name="client", protocol=MPTCP)
SERVER = replace(IPV4, name="server", listen_protocol=MPTCP)
IPV6_BOTH = replace(IPV6, name="ipv6", listen_protocol=MPTCP, protocol=MPTCP)


def released(node: Node, reason: str) -> None:
    """Assert that the only end of the test that went in clear there did so soon after it began, and says why."""
    (clear,) = node.await_events("ReleasedClear", 1)
    (begun,) = (event for event in node.await_events("Connecting", 1) if event["flow"] == clear["flow"])
    assert clear["reason"] == reason and clear["time_ns"] - begun["time_ns"] < AT_MOST_S * 1e9, (begun, clear)


def met(node_a: Node, node_b: Node, port: int) -> None:
    """The agents have a session: an end of node-b is not released soon because it is a stranger's."""
    converse(node_a, node_b, IPV4, port, sends_first, receives_first, b"to have a session").check()


@pytest.mark.parametrize("way", [BOTH, CLIENT, IPV6_BOTH], ids=lambda way: way.name)
def test_a_client_of_multipath_tcp(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, way: Way
) -> None:
    content, require, prefer, control = payload(marker), ports.require(), ports.prefer(), ports.bypass()
    met(node_a, node_b, ports.require())
    found = trial(node_a, node_b, way, (require, prefer, control), content)
    found.failed(require, at_most=AT_MOST_S)
    assert found.good(prefer, control), found.tried
    assert found.tried[require].error in ("ECONNABORTED", "ECONNRESET", "ETIMEDOUT"), found.tried[require]
    assert found.tried[prefer].seconds < AT_MOST_S, found.tried[prefer]
    wire.silent(marker, require)
    wire.clear(marker, prefer, control)
    assert [event["reason"] for event in node_a.await_events("Refused", 1)] == ["mptcp"]
    for node in (node_a, node_b):
        released(node, "mptcp")


def test_a_server_of_multipath_tcp_whose_client_speaks_plain_tcp(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    """As any server in Go listens: what it accepts is a TCP socket, and is secured."""
    content, require, prefer = payload(marker), ports.require(), ports.prefer()
    found = trial(node_a, node_b, SERVER, (require, prefer), content)
    assert found.good(require, prefer) and not node_b.events("Refused", "ReleasedClear"), found.tried
    wire.secured(marker, require, prefer, flows=2)


@pytest.mark.parametrize("moves", ["client", "server"])
def test_a_connection_that_is_taken_up_in_another_socket(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, moves: str
) -> None:
    """It began in clear, in a bypass: its other end is in clear for good, and new keys at this end would end it."""
    content, go = payload(marker, 2000), Flag()
    require, prefer, control = ports.require(), ports.prefer(), ports.bypass()
    node = node_a if moves == "client" else node_b
    with bypassed(node_a, node_b):
        talks = {port: greeted(node_a, node_b, IPV4, port, content, go, moves) for port in (require, prefer, control)}
    go.set()
    ends = {port: [job.result() for job in jobs] for port, jobs in talks.items()}
    assert ends[control] == ends[prefer] == [(content, "")] * 2, ends
    assert [got for got, _ in ends[require]] == [b""] * 2, ends
    assert ends[require][moves == "server"][1] in ("ConnectionResetError", "PermissionError"), ends
    verdict, _ = wire.judge(marker, require)  # the end that stays is in a bypass, and may speak before it is reset
    assert [one.sizes[moves == "server"] for one in verdict.findings] == [len(GREETING)] and not verdict.holes, verdict
    wire.clear(marker, prefer, control)
    assert [event["reason"] for event in node.await_events("Refused", 1)] == ["repair"]
    assert [event["reason"] for event in node.await_events("ReleasedClear", 1)] == ["repair"]


VERSION = b"9P2000.L"  # what a client of that file system says first


def hear(say: Say, way: Way, port: int) -> bytes:
    """The first message of one connection, as a server of 9p gets it; none, where it never comes."""
    with listener(way, port) as door:
        say("listening")
        with accept(door) as sock:
            return take(sock, int.from_bytes(take(sock, 4), "little") - 4)


def test_a_socket_that_the_kernel_connects_for_itself(node_a: Node, node_b: Node, wire: Wire, ports: Ports) -> None:
    """Nobody has its descriptor: told at once, and not by a deadline with the server in TLS."""
    require, prefer = ports.require(), ports.prefer()
    subprocess.run(["modprobe", "9pnet_fd"], check=True)
    met(node_a, node_b, ports.require())
    servers = {port: node_b.start(partial(hear, way=IPV4, port=port)) for port in (require, prefer)}
    assert [server.heard() for server in servers.values()] == ["listening"] * 2
    for port in servers:
        options = f"trans=tcp,port={port},version=9p2000.L"
        with pytest.raises(subprocess.CalledProcessError):
            node_a.run(["mount", "-i", "-t", "9p", "-o", options, IPV4.host, "/mnt"])
    assert VERSION in servers[prefer].result()
    wire.silent(VERSION, require)
    wire.clear(VERSION, prefer)
    assert [event["reason"] for event in node_a.await_events("Refused", 1)] == ["kernel-socket"]
    for node in (node_a, node_b):
        released(node, "kernel-socket")


def meddle(say: Say, way: Way, port: int, size: int) -> tuple[list[str], bytes]:
    """Try what would change a held socket below the agent; the errors, and what was received after the hold."""
    with socket.create_connection((way.host, port)) as sock:
        sock.setblocking(False)
        tried = [
            number_of(lambda: sock.recv(1)),
            number_of(lambda: sock.setsockopt(socket.IPPROTO_TCP, TCP_ULP, b"tls")),
            number_of(lambda: sock.setsockopt(socket.IPPROTO_TCP, TCP_ULP, b"smc")),
            number_of(lambda: sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)),
        ]
        say("tried")
        sock.setblocking(True)
        return tried, take(sock, size)


@gate
def test_a_socket_is_left_as_it_is_while_it_is_held(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    port, content = ports.require(), payload(marker, 2000)
    warm(node_a, node_b, ports.require())
    speaker(node_b, port, content)
    with nothing_left(node_a), stopped(node_b):
        client = node_a.start(partial(meddle, way=IPV4, port=port, size=len(content)))
        assert client.heard() == "tried"
        held(node_a)
    tried, got = client.result()
    assert tried == [errno.errorcode[errno.EAGAIN], "EEXIST", "EEXIST", "EPERM"] and got == content
    spoken(wire, marker, port)
