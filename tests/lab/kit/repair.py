# SPDX-License-Identifier: Apache-2.0
"""A TCP connection put down and taken up again in another socket, as CRIU does it (TCP_REPAIR of tcp(7))."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from tests.lab.kit.chat import Flag
from tests.lab.kit.job import Job, Say
from tests.lab.kit.node import Node
from tests.lab.kit.ports import Way
from tests.lab.kit.talk import QUIET_S, accept, listener, take

TCP_REPAIR, TCP_REPAIR_QUEUE, TCP_QUEUE_SEQ, TCP_REPAIR_OPTIONS, TCP_TIMESTAMP = 19, 20, 21, 22, 24
TCP_REPAIR_WINDOW, WINDOW_SIZE = 29, 20
RECEIVED, SENT = 1, 2
MAXIMUM_SEGMENT, WINDOW, SELECTIVE, TIMESTAMPS = 2, 3, 4, 8  # kinds of a TCP option
OFF_WITHOUT_PROBE = -1  # TCP_REPAIR_OFF_NO_WP
SCALES_AT = 6  # in struct tcp_info: what is sent in the low half, what is received in the high one
GREETING = b"good morning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Still:
    """What another socket needs to go on with the connection."""

    local: tuple[str, int]
    remote: tuple[str, int]
    sequences: dict[int, int]
    options: bytes
    clock: int
    window: bytes


def _set(sock: socket.socket, option: int, value: int | bytes) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, option, value)


def put_down(sock: socket.socket) -> Still:
    """What is known of the connection; its socket is closed, and the peer hears nothing of that."""
    _set(sock, TCP_REPAIR, 1)
    sequences = {}
    for queue in (RECEIVED, SENT):
        _set(sock, TCP_REPAIR_QUEUE, queue)
        sequences[queue] = sock.getsockopt(socket.IPPROTO_TCP, TCP_QUEUE_SEQ) & 0xFFFFFFFF
    scales = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, SCALES_AT + 1)[SCALES_AT]
    size = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
    window = (scales & 15) | (scales >> 4) << 16
    options = struct.pack("=8I", MAXIMUM_SEGMENT, size, WINDOW, window, SELECTIVE, 0, TIMESTAMPS, 0)
    clock = sock.getsockopt(socket.IPPROTO_TCP, TCP_TIMESTAMP)
    seen = sock.getsockopt(socket.IPPROTO_TCP, TCP_REPAIR_WINDOW, WINDOW_SIZE)
    ends = {"local": sock.getsockname(), "remote": sock.getpeername()}
    still = Still(sequences=sequences, options=options, clock=clock, window=seen, **ends)
    sock.close()
    return still


def take_up(still: Still) -> socket.socket:
    """A socket that goes on with it; raises OSError."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    _set(sock, TCP_REPAIR, 1)
    sock.bind(still.local)
    for queue, sequence in still.sequences.items():
        _set(sock, TCP_REPAIR_QUEUE, queue)
        sock.setsockopt(socket.IPPROTO_TCP, TCP_QUEUE_SEQ, struct.pack("=I", sequence))
    sock.connect(still.remote)
    _set(sock, TCP_TIMESTAMP, still.clock)
    _set(sock, TCP_REPAIR_OPTIONS, still.options)
    _set(sock, TCP_REPAIR_WINDOW, still.window)
    _set(sock, TCP_REPAIR, OFF_WITHOUT_PROBE)
    return sock


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """When told to `go`, one end moves; the other one says nothing until it has `moved`, since nobody would hear it."""

    go: Flag
    moved: Flag


def greet(say: Say, make: Callable[[], socket.socket], content: bytes, turn: Turn, *, moves: bool) -> tuple[bytes, str]:
    """Exchange a greeting, and when told the content, maybe by another socket; what was received, and the error."""
    with make() as first:
        first.sendall(GREETING)
        assert take(first, len(GREETING)) == GREETING
        say("greeted")
        (turn.go if moves else turn.moved).wait()
        try:
            with _moved(first, turn) if moves else first as sock:
                sock.settimeout(QUIET_S)
                sock.sendall(content)
                return take(sock, len(content)), ""
        except OSError as error:
            return b"", type(error).__name__


def _moved(sock: socket.socket, turn: Turn) -> socket.socket:
    try:
        return take_up(put_down(sock))
    finally:
        turn.moved.set()


def _accepted(say: Say, way: Way, port: int) -> socket.socket:
    with listener(way, port) as door:
        say("listening")
        return accept(door)


Ends = tuple[Job[tuple[bytes, str]], Job[tuple[bytes, str]]]


def greeted(node_a: Node, node_b: Node, way: Way, port: int, content: bytes, go: Flag, moves: str) -> Ends:
    """A client in `node_a` and a server in `node_b` that have greeted, of which one `moves` when told."""
    turn = Turn(go=go, moved=Flag())

    def server(say: Say) -> tuple[bytes, str]:
        return greet(say, partial(_accepted, say, way, port), content, turn, moves=moves == "server")

    def client(say: Say) -> tuple[bytes, str]:
        connect = partial(socket.create_connection, (way.host, port))
        return greet(say, connect, content, turn, moves=moves == "client")

    serving = node_b.start(server)
    assert serving.heard() == "listening"
    dialling = node_a.start(client)
    assert (dialling.heard(), serving.heard()) == ("greeted", "greeted")
    return dialling, serving
