# SPDX-License-Identifier: Apache-2.0
"""Fast Open: not for a captured client, and a server that has it on gets no byte of a SYN that nobody secured."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.lab.kit.job import Say
from tests.lab.kit.node import Node
from tests.lab.kit.ports import IPV4, Ports
from tests.lab.kit.talk import accept, converse, listener, payload, receives_first, sends_first
from tests.lab.kit.wire import Wire
from tests.lab.test_lab_refusals import TCP_FASTOPEN_CONNECT, number_of

MSG_FASTOPEN, HELLO = 0x20000000, b"hello in a SYN"
SYSCTL, COUNTERS = Path("/proc/sys/net/ipv4/tcp_fastopen"), Path("/proc/net/netstat")
STRANGER = f"""
import socket, sys
sock = socket.socket()
sock.setsockopt(socket.IPPROTO_TCP, {TCP_FASTOPEN_CONNECT}, 1)
sock.settimeout(60)
sock.connect(("10.77.0.2", int(sys.argv[1])))
sock.sendall({HELLO!r})
print(sock.recv(100).decode())
"""


def test_fast_open_is_not_there(node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes) -> None:
    content, secret, falls_back, control = payload(marker), ports.require(), ports.require(), ports.bypass()

    def in_syn(_say: Say, port: int) -> str:
        with socket.socket() as sock:
            return number_of(lambda: sock.sendto(content, MSG_FASTOPEN, (node_b.ipv4, port)))

    def dial(_say: Say, way: object, port: int, talk: object, content: bytes) -> bytes:
        with socket.socket() as sock:
            assert number_of(lambda: sock.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1)) == "ENOTSUP"
            sock.connect((node_b.ipv4, port))
            return sends_first(sock, content)

    assert node_a.start(partial(in_syn, port=secret)).result() == "ENOTSUP"
    assert node_a.start(partial(in_syn, port=control)).result() == "ECONNREFUSED"
    converse(node_a, node_b, IPV4, falls_back, sends_first, receives_first, content, dialler=dial).check()
    wire.secured(marker, falls_back, flows=1)
    wire.silent(marker, secret)


@contextmanager
def both_ways(node: Node) -> Iterator[None]:
    """Fast Open is on for clients and servers of the node's network (net.ipv4.tcp_fastopen)."""

    def set_to(_say: Say, value: str) -> str:
        before = SYSCTL.read_text()
        SYSCTL.write_text(value)
        return before

    before = node.start(partial(set_to, value="3")).result()
    try:
        yield
    finally:
        node.start(partial(set_to, value=before)).result()


def serve(say: Say, port: int) -> bytes:
    """One connection; what came of it, echoed."""
    with listener(IPV4, port) as door:
        door.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 16)
        say("listening")
        with accept(door) as sock:
            try:
                got = sock.recv(100)
                sock.sendall(got)
            except ConnectionResetError:
                return b""
            return got


def opened_fast(_say: Say) -> int:
    """How many connections the node accepted with their SYN's data."""
    names, values = (line.split() for line in COUNTERS.read_text().splitlines() if line.startswith("TcpExt:"))
    return int(values[names.index("TCPFastOpenPassive")])


def stranger(port: int) -> subprocess.CompletedProcess[str]:
    """A client of node-a's network that no agent captures, since it is not in its cgroup."""
    words = ["nsenter", "--net=/run/netns/node-a", sys.executable, "-c", STRANGER, str(port)]
    return subprocess.run(words, text=True, capture_output=True, timeout=90)


def test_a_server_with_fast_open_gets_nothing_from_a_stranger(node_b: Node, ports: Ports) -> None:
    control, secret = ports.bypass(), ports.require()
    with both_ways(node_b):
        for port, answered in ((control, HELLO), (control, HELLO), (secret, b"")):
            before = node_b.start(opened_fast).result()
            server = node_b.start(partial(serve, port=port))
            assert server.heard() == "listening"
            client = stranger(port)
            assert client.stdout.strip().encode() == answered, client
            assert server.result() == answered
        assert node_b.start(opened_fast).result() == before + 1, "the last one brought its bytes in the SYN"
    (refused,) = node_b.await_events("Refused", 1)
    assert refused["reason"] == "deadline"
