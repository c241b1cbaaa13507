# SPDX-License-Identifier: Apache-2.0
"""sendfile and splice, which reach a socket without a send or a receive."""

from __future__ import annotations

import os
import socket
import tempfile

from tests.lab.kit.node import Node
from tests.lab.kit.ports import IPV4, IPV6, Ports
from tests.lab.kit.talk import Talk, converse, payload
from tests.lab.kit.wire import Wire

PIECE = 16384


def send_file(sock: socket.socket, content: bytes) -> None:
    with tempfile.TemporaryFile(dir="/dev/shm") as file:
        file.write(content)
        file.flush()
        at = 0
        while at < len(content):
            at += os.sendfile(sock.fileno(), file.fileno(), at, len(content) - at)


def send_spliced(sock: socket.socket, content: bytes) -> None:
    out, into = os.pipe()
    for at in range(0, len(content), PIECE):
        left = os.write(into, content[at : at + PIECE])
        while left:
            left -= os.splice(out, sock.fileno(), left)
    os.close(out)
    os.close(into)


def receive_spliced(sock: socket.socket, size: int) -> bytes:
    out, into = os.pipe()
    got = bytearray()
    while len(got) < size and (count := os.splice(sock.fileno(), into, min(PIECE, size - len(got)))):
        got += os.read(out, count)
    os.close(out)
    os.close(into)
    return bytes(got)


def file_then_splice(sock: socket.socket, content: bytes) -> bytes:
    send_file(sock, content)
    return receive_spliced(sock, len(content))


def spliced_then_file(sock: socket.socket, content: bytes) -> bytes:
    got = receive_spliced(sock, len(content))
    send_file(sock, content)
    return got


def splice_then_spliced(sock: socket.socket, content: bytes) -> bytes:
    send_spliced(sock, content)
    return receive_spliced(sock, len(content))


def spliced_then_splice(sock: socket.socket, content: bytes) -> bytes:
    got = receive_spliced(sock, len(content))
    send_spliced(sock, content)
    return got


PAIRS: tuple[tuple[Talk, Talk], ...] = (
    (file_then_splice, spliced_then_splice),
    (splice_then_spliced, spliced_then_file),
    (spliced_then_splice, file_then_splice),
    (spliced_then_file, splice_then_spliced),
)


def test_files_and_pipes_both_ways(node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes) -> None:
    secret, control, content = [ports.require() for _ in PAIRS], ports.bypass(), payload(marker)
    ways = (IPV4, IPV6, IPV4, IPV6)
    talks = [
        converse(node_a, node_b, way, port, *pair, content) for way, port, pair in zip(ways, secret, PAIRS, strict=True)
    ]
    talks.append(converse(node_a, node_b, IPV4, control, *PAIRS[0], content))
    for talk in talks:
        talk.check()
    wire.secured(marker, *secret, flows=len(PAIRS))
    wire.clear(marker, control)
