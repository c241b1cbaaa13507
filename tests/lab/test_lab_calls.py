# SPDX-License-Identifier: Apache-2.0
"""Each call that programs send and receive with, on a captured socket, and beside it on one that is not."""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from tests.lab.kit import calls
from tests.lab.kit.hold import gate, stopped
from tests.lab.kit.job import Say
from tests.lab.kit.node import Node
from tests.lab.kit.ports import IPV4, IPV6, Ports
from tests.lab.kit.talk import accept, converse, listener, payload, take
from tests.lab.kit.wire import Wire

PAIRS = (
    (calls.gives(calls.all_sent, calls.peeked), calls.takes(calls.peeked, calls.all_sent)),
    (calls.gives(calls.written, calls.waited_for), calls.takes(calls.waited_for, calls.written)),
    (calls.gives(calls.vectors_written, calls.vectors_read), calls.takes(calls.vectors_read, calls.vectors_written)),
    (calls.gives(calls.single_messages, calls.messages), calls.takes(calls.messages, calls.single_messages)),
    (calls.gives(calls.with_more_to_come, calls.read), calls.takes(calls.read, calls.with_more_to_come)),
    (calls.gives(calls.all_sent, calls.above_low_water), calls.takes(calls.above_low_water, calls.all_sent)),
    (calls.shuts_in_turn, calls.answers_the_end),
    (calls.answers_the_end, calls.shuts_in_turn),
)
BLOCKING: tuple[Callable[[socket.socket], object], ...] = (
    lambda sock: sock.recv(100),
    lambda sock: sock.send(b"early"),
    lambda sock: os.read(sock.fileno(), 100),
    lambda sock: os.write(sock.fileno(), b"early"),
)
PATIENCE_S, SHORT_S, TICK_S = 1.0, 0.5, 0.02  # the kernel counts these in ticks
LARGE = 75  # times the payload: more than the buffers of both ends hold


def test_every_way_to_send_and_to_receive(node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes) -> None:
    content = payload(marker)
    secret, control = [ports.require() for _ in PAIRS], [ports.bypass() for _ in PAIRS]
    talks = [
        converse(node_a, node_b, way, port, *pair, content)
        for some, way in ((secret, IPV6), (control, IPV4))
        for port, pair in zip(some, PAIRS, strict=True)
    ]
    for talk in talks:
        talk.check()
    wire.secured(marker, *secret, flows=len(PAIRS))
    wire.clear(marker, *control)


def patient(sock: socket.socket, option: int, seconds: float = PATIENCE_S) -> None:
    sock.setsockopt(socket.SOL_SOCKET, option, struct.pack("=qq", int(seconds), int(seconds % 1 * 1e6)))


def asks_nothing(say: Say, port: int) -> tuple[float, bytes]:
    """How long a recv() waits by SO_RCVTIMEO for what comes later, and then what came."""
    with socket.socket() as sock:
        patient(sock, socket.SO_RCVTIMEO)
        sock.connect((IPV4.host, port))
        seconds = timed_out(lambda: sock.recv(100))
        patient(sock, socket.SO_RCVTIMEO, 40)
        sock.sendall(b"now")
        return seconds, take(sock, 3)


def timed_out(call: Callable[[], object]) -> float:
    """How long a call took to end with EAGAIN."""
    began = time.monotonic()
    try:
        raise AssertionError(f"a call that had to wait returned {call()!r}")
    except BlockingIOError:
        return time.monotonic() - began


def answers_late(say: Say, port: int) -> None:
    with listener(IPV4, port) as door:
        say("listening")
        with accept(door) as sock:
            sock.sendall(take(sock, 3))


def sends_too_much(_say: Say, port: int, content: bytes) -> list[float]:
    """Send by SO_SNDTIMEO to one who reads late; how long the calls took that were not done when the time was up."""
    late, left = [], memoryview(content)
    with socket.socket() as sock:
        patient(sock, socket.SO_SNDTIMEO)
        sock.connect((IPV4.host, port))
        while left:
            began = time.monotonic()
            with suppress(BlockingIOError):
                left = left[sock.send(left) :]
            if left:
                late.append(time.monotonic() - began)
    return late


def reads_late(say: Say, port: int, size: int) -> bytes:
    with listener(IPV4, port) as door:
        say("listening")
        with accept(door) as sock:
            time.sleep(3 * PATIENCE_S)
            return take(sock, size + 1)


def test_timeouts_of_the_socket(node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes) -> None:
    content, secret = payload(marker) * LARGE, [ports.require(), ports.require()]
    for port, full in (secret, (ports.bypass(), ports.bypass())):
        servers = (partial(answers_late, port=port), partial(reads_late, port=full, size=len(content)))
        quiet, slow = [node_b.start(server) for server in servers]
        assert quiet.heard() == slow.heard() == "listening"
        sending = node_a.start(partial(sends_too_much, port=full, content=content))
        seconds, answer = node_a.start(partial(asks_nothing, port=port)).result()
        assert answer == b"now" and PATIENCE_S - TICK_S <= seconds < PATIENCE_S + 2, seconds
        late = sending.result()
        assert late and all(PATIENCE_S - TICK_S <= one < PATIENCE_S + 2 for one in late), late
        assert slow.result() == content
    assert all(sum(one.records) for one in wire.secret(marker, *secret))


def waits_in_vain(say: Say, port: int) -> list[float]:
    """Calls that block on a held socket with SO_RCVTIMEO and SO_SNDTIMEO; how long each took to end with EAGAIN."""
    with socket.socket() as sock:
        patient(sock, socket.SO_RCVTIMEO, SHORT_S)
        patient(sock, socket.SO_SNDTIMEO, SHORT_S)
        sock.connect((IPV4.host, port))
        waits = [timed_out(partial(call, sock)) for call in BLOCKING]
        say("waited")
        patient(sock, socket.SO_SNDTIMEO, 40)
        patient(sock, socket.SO_RCVTIMEO, 40)
        sock.sendall(b"now")
        assert take(sock, 3) == b"now"
        return waits


@gate
def test_the_timeouts_of_a_held_socket(node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes) -> None:
    warm, port = ports.require(), ports.require()
    converse(node_a, node_b, IPV4, warm, *PAIRS[0], payload(marker)).check()
    server = node_b.start(partial(answers_late, port=port))
    assert server.heard() == "listening"
    with stopped(node_a):
        client = node_a.start(partial(waits_in_vain, port=port))
        assert client.heard() == "waited"
    waits = client.result()
    assert all(SHORT_S - TICK_S <= one < SHORT_S + 1 for one in waits), waits
    wire.secured(marker, warm, port, flows=2)
