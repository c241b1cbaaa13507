# SPDX-License-Identifier: Apache-2.0
"""Connections that end early, half-way, abruptly, or in another process than they began in."""

from __future__ import annotations

import os
import socket
import struct
import time
from functools import partial

from tests.lab.kit.job import Say
from tests.lab.kit.node import Node
from tests.lab.kit.ports import IPV4, IPV6, Ports, Way
from tests.lab.kit.talk import accept, converse, listener, payload, receives_first, sends_first, take
from tests.lab.kit.wire import Wire

LATE_S = 1.5
ABRUPT = struct.pack("=ii", 1, 0)  # SO_LINGER: close with a reset


def send_and_close(sock: socket.socket, content: bytes) -> bytes:
    sock.sendall(content)
    return content


def serve_late(say: Say, way: Way, port: int, content: bytes) -> bytes:
    with listener(way, port) as sock:
        say("listening")
        time.sleep(LATE_S)
        with accept(sock) as connection:
            return take(connection, len(content) + 1)


def shut_then_read(sock: socket.socket, content: bytes) -> bytes:
    sock.shutdown(socket.SHUT_WR)
    return take(sock, len(content) + 1)


def end_then_send(sock: socket.socket, content: bytes) -> bytes:
    assert sock.recv(1) == b"", "bytes where the end of the stream was due"
    sock.sendall(content)
    return content


def test_a_client_that_is_gone_before_the_server_accepts(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    content, control = payload(marker), ports.bypass()
    where = [(IPV4, ports.require()), (IPV6, ports.require()), (IPV4, control)]
    servers = [node_b.start(partial(serve_late, way=way, port=port, content=content)) for way, port in where]
    for server, (way, port) in zip(servers, where, strict=True):
        assert server.heard() == "listening"
        node_a.start(partial(_dial_and_close, way=way, port=port, content=content))
    assert [server.result() == content for server in servers] == [True] * len(where)
    found = wire.secret(marker, *(port for _, port in where[:2]))
    assert len(found) == 2 and all(one.records[0] for one in found)
    wire.clear(marker, control)


def _dial_and_close(_say: Say, way: Way, port: int, content: bytes) -> None:
    with socket.socket(way.family) as sock:
        sock.connect((way.host, port))
        send_and_close(sock, content)


def test_half_closed_at_once_by_either_end(node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes) -> None:
    content, secret, control = payload(marker), [ports.require() for _ in range(3)], ports.bypass()
    talks = [
        converse(node_a, node_b, IPV4, secret[0], shut_then_read, end_then_send, content),
        converse(node_a, node_b, IPV4, secret[1], end_then_send, shut_then_read, content),
        converse(node_a, node_b, IPV6, secret[2], shut_then_read, end_then_send, content),
        converse(node_a, node_b, IPV4, control, shut_then_read, end_then_send, content),
    ]
    for talk in talks:
        talk.check()
    found = wire.secret(marker, *secret)
    assert len(found) == 3 and all(sum(one.records) and all(one.ended) for one in found), found
    wire.clear(marker, control)


def serve_in_child(say: Say, way: Way, port: int, content: bytes) -> int:
    with listener(way, port) as sock:
        say("listening")
        connection = accept(sock)
    child = os.fork()
    if child == 0:
        os._exit(0 if receives_first(connection, content) == content else 1)
    connection.close()
    return os.waitpid(child, 0)[1]


def test_accepted_by_the_parent_and_served_by_its_child(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    content, port = payload(marker), ports.require()
    server = node_b.start(partial(serve_in_child, way=IPV4, port=port, content=content))
    assert server.heard() == "listening"

    def client(_say: Say) -> bytes:
        with socket.create_connection((node_b.ipv4, port)) as sock:
            return sends_first(sock, content)

    assert node_a.start(client).result() == content
    assert server.result() == 0
    wire.secured(marker, port, flows=1)


def drop(way: Way, port: int, *, blocking: bool) -> None:
    with socket.socket(way.family) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABRUPT)
        sock.setblocking(blocking)
        sock.connect_ex((way.host, port))


def accept_all(say: Say, way: Way, port: int) -> None:
    with listener(way, port) as sock:
        say("listening")
        while True:
            accept(sock).close()


def test_abrupt_ends_leave_nothing_behind(node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes) -> None:
    port = ports.require()
    assert node_b.start(partial(accept_all, way=IPV4, port=port)).heard() == "listening"

    def client(_say: Say) -> None:
        for blocking in (True, False) * 8:
            drop(IPV4, port, blocking=blocking)

    def killed(say: Say) -> None:
        say("now")
        with socket.create_connection((node_b.ipv4, port)) as sock:
            say("connected")
            sock.sendall(payload(marker))
            take(sock, 1)

    node_a.start(client).result()
    for words in (1, 2, 1, 2):
        job = node_a.start(killed)
        for _ in range(words):
            job.heard()
        job.kill()
    for node in (node_a, node_b):
        node.await_closed(8)
    assert not wire.secret(marker, port) or wire.secret(marker, port)[0].clear == (0, 0)
