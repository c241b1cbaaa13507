# SPDX-License-Identifier: Apache-2.0
"""What applications say to each other: connect or accept, and then a conversation, the same at both ends."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from threading import Thread

from tests.lab.kit.job import Job, Say
from tests.lab.kit.node import Node
from tests.lab.kit.ports import Way

Talk = Callable[[socket.socket, bytes], bytes]  # the connected socket, what to send; returns what was received
QUIET_S = 40.0


def payload(marker: bytes, size: int = 40_000) -> bytes:
    """Bytes full of the marker, each line numbered so that what is lost or swapped shows."""
    return b"".join(b"%s %06d\n" % (marker, number) for number in range(size // (len(marker) + 8) + 1))


def listener(way: Way, port: int, backlog: int = 128) -> socket.socket:
    """A listening socket."""
    sock = socket.socket(way.listen_family, socket.SOCK_STREAM, way.listen_protocol)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if way.listen_family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind((way.listen_host, port))
    sock.listen(backlog)
    sock.settimeout(QUIET_S)
    return sock


def accept(sock: socket.socket) -> socket.socket:
    """The next connection; a blocking one, which accept() after a timeout is not by itself."""
    found = sock.accept()[0]
    found.setblocking(True)
    return found


def serve(say: Say, way: Way, port: int, talk: Talk, content: bytes) -> bytes:
    """One connection; says when it listens."""
    with listener(way, port) as sock:
        say("listening")
        with accept(sock) as connection:
            return talk(connection, content)


def dial(_say: Say, way: Way, port: int, talk: Talk, content: bytes) -> bytes:
    """Connect, blocking, and talk."""
    with socket.socket(way.family, socket.SOCK_STREAM, way.protocol) as sock:
        sock.connect((way.host, port))
        return talk(sock, content)


def take(sock: socket.socket, size: int) -> bytes:
    """Exactly so many bytes; fewer where the peer ends sooner."""
    got = bytearray()
    while len(got) < size and (chunk := sock.recv(min(65536, size - len(got)))):
        got += chunk
    return bytes(got)


def sends_first(sock: socket.socket, content: bytes) -> bytes:
    """Send all, then receive as much."""
    sock.sendall(content)
    return take(sock, len(content))


def receives_first(sock: socket.socket, content: bytes) -> bytes:
    """Receive as much as is to be sent, then send."""
    got = take(sock, len(content))
    sock.sendall(content)
    return got


def at_once(sock: socket.socket, content: bytes) -> bytes:
    """One thread sends while another receives."""
    sender = Thread(target=sock.sendall, args=(content,))
    sender.start()
    got = take(sock, len(content))
    sender.join()
    return got


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A running pair of applications: client in one node, server in the other."""

    client: Job[bytes]
    server: Job[bytes]
    content: bytes

    def check(self) -> None:
        """Assert that both ends received, bit for bit, what the other one sent."""
        assert self.client.result() == self.content and self.server.result() == self.content


def converse(
    node_a: Node,
    node_b: Node,
    way: Way,
    port: int,
    client: Talk,
    server: Talk,
    content: bytes,
    *,
    dialler: Callable[..., bytes] = dial,
) -> Conversation:
    """Start a server in `node_b`, and when it listens a client in `node_a`."""
    serving = node_b.start(partial(serve, way=way, port=port, talk=server, content=content))
    assert serving.heard() == "listening"
    dialling = node_a.start(partial(dialler, way=way, port=port, talk=client, content=content))
    return Conversation(client=dialling, server=serving, content=content)
