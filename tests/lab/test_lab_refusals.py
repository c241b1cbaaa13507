# SPDX-License-Identifier: Apache-2.0
"""Calls that would go round the gate or promise what KTLS does not do, and connections that cannot be held."""

from __future__ import annotations

import errno
import fcntl
import socket
import struct
import termios
import time
from collections.abc import Callable
from functools import partial

from tests.lab.kit.job import Say
from tests.lab.kit.node import Node
from tests.lab.kit.ports import IPV4, Ports
from tests.lab.kit.talk import payload, receives_first, sends_first, serve
from tests.lab.kit.wire import Wire

TCP_FASTOPEN_CONNECT = 30
SOL_TLS, TLS_TX, TLS_RX, TCP_ULP, SO_ZEROCOPY, TCP_REPAIR = 282, 1, 2, 31, 60, 19


def number_of(call: Callable[[], object]) -> str:
    """The name of the error that a call ends with, or ''."""
    try:
        call()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return ""


def speak(sock: socket.socket, host: str, port: int, content: bytes) -> None:
    """Connect and talk; raises OSError."""
    sock.connect((host, port))
    assert sends_first(sock, content) == content


def test_a_socket_that_connects_to_itself_is_refused(node_a: Node, ports: Ports, marker: bytes) -> None:
    def alone(_say: Say, port: int) -> str:
        with socket.socket() as sock:
            sock.bind((node_a.ipv4, port))
            return number_of(lambda: speak(sock, node_a.ipv4, port, marker))

    assert node_a.start(partial(alone, port=ports.bypass())).result() == ""
    assert node_a.start(partial(alone, port=ports.require())).result() != ""
    (refused,) = node_a.await_events("Refused", 1)
    assert refused["reason"] == "simultaneous-open"


def test_options_that_would_show_keys_or_break_ktls(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    port, content = ports.require(), payload(marker, 2000)

    def client(_say: Say) -> list[str]:
        with socket.create_connection((node_b.ipv4, port)) as sock:
            assert sends_first(sock, content) == content
            return [
                number_of(lambda: sock.getsockopt(SOL_TLS, TLS_TX, 64)),
                number_of(lambda: sock.getsockopt(SOL_TLS, TLS_RX, 64)),
                number_of(lambda: sock.setsockopt(socket.SOL_SOCKET, SO_ZEROCOPY, 1)),
                number_of(lambda: sock.setsockopt(socket.IPPROTO_TCP, TCP_ULP, b"tls")),
                number_of(lambda: sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)),
            ]

    server = node_b.start(partial(serve, way=IPV4, port=port, talk=receives_first, content=content))
    assert server.heard() == "listening"
    assert node_a.start(client).result() == ["EPERM", "EPERM", "ENOTSUP", "EEXIST", "EPERM"]
    assert server.result() == content
    wire.secured(marker, port, flows=1)


def queued(sock: socket.socket) -> int:
    """FIONREAD."""
    return int(struct.unpack("=i", fcntl.ioctl(sock, termios.FIONREAD, bytes(4)))[0])


def test_the_number_of_bytes_to_read_is_that_of_the_plaintext(node_a: Node, node_b: Node, ports: Ports) -> None:
    def client(_say: Say, port: int, size: int) -> list[int]:
        with socket.create_connection((node_b.ipv4, port)) as sock:
            deadline = time.monotonic() + 10
            while queued(sock) < size and time.monotonic() < deadline:
                time.sleep(0.02)
            before = queued(sock)
            took = len(sock.recv(300))
            between = queued(sock)
            rest = len(sock.recv(65536))
            after = queued(sock)
            sock.sendall(bytes(size))
            return [before, took, between, rest, after]

    for port, size in [(p, s) for p in (ports.require(), ports.bypass()) for s in (1000, 9000, 16384)]:
        server = node_b.start(partial(serve, way=IPV4, port=port, talk=sends_first, content=bytes(size)))
        assert server.heard() == "listening"
        said = node_a.start(partial(client, port=port, size=size)).result()
        assert said == [size, 300, size - 300, size - 300, 0], (port, size)
        server.result()
