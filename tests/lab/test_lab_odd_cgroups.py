# SPDX-License-Identifier: Apache-2.0
"""Sockets and their processes in different cgroups: a connection belongs to the cgroup in which its socket was made."""

from __future__ import annotations

import os
import socket
from functools import partial
from pathlib import Path

from tests.lab.kit.cgroups import MOVES, ROOT, Moves, from_outside, move, sent_from
from tests.lab.kit.chat import Flag
from tests.lab.kit.handing import result_of, start_child, write_use
from tests.lab.kit.hold import gate, held, speaker, spoken, stopped, warm
from tests.lab.kit.job import Say
from tests.lab.kit.node import Node
from tests.lab.kit.ports import IPV4, Ports
from tests.lab.kit.talk import accept, dial, listener, payload, receives_first, sends_first, take
from tests.lab.kit.wire import Wire


def connect(_say: Say, node: str, port: int, content: bytes, moves: Moves) -> bytes:
    """Connect with a socket that was made before the process moved."""
    with moves(node, socket.socket) as sock:
        sock.connect((IPV4.host, port))
        return sends_first(sock, content)


def serve_moved(say: Say, node: str, port: int, content: bytes, moves: Moves) -> bytes:
    """Accept from a listener that was made before the process moved."""
    with moves(node, partial(listener, IPV4, port)) as door:
        say("listening")
        with accept(door) as sock:
            return receives_first(sock, content)


def test_a_process_that_moved_after_its_socket_was_made(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    content, secret = payload(marker), [ports.require() for _ in MOVES]
    jobs = []
    for port, moves in zip(secret, MOVES, strict=True):
        jobs.append(node_b.start(partial(serve_moved, node=node_b.name, port=port, content=content, moves=moves)))
        assert jobs[-1].heard() == "listening"
        jobs.append(node_a.start(partial(connect, node=node_a.name, port=port, content=content, moves=moves)))
    assert [job.result() == content for job in jobs] == [True] * 2 * len(secret)
    wire.secured(marker, *secret, flows=len(secret))


def leave_and_receive(say: Say, port: int, size: int, go: Flag) -> bytes:
    """Leave the node's cgroup when told, which is while the connection is held; a child of this one waits in it."""
    out, into = os.pipe()
    with socket.create_connection((IPV4.host, port)) as sock:
        child = start_child(partial(write_use, into, lambda: sock, lambda held: take(held, size)))
    say(child)
    go.wait()
    (ROOT / "cgroup.procs").write_text(str(child))
    say("moved")
    return result_of(out, into, child)


@gate
def test_a_process_that_moves_while_it_is_held(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    port, content, go = ports.require(), payload(marker), Flag()
    warm(node_a, node_b, ports.require())
    speaker(node_b, port, content)
    with stopped(node_b):
        client = node_a.start(partial(leave_and_receive, port=port, size=len(content), go=go))
        child = client.heard()
        assert child in held(node_a)
        go.set()
        assert client.heard() == "moved"
    assert client.result() == content
    spoken(wire, marker, port)


def accept_and_leave(say: Say, port: int, content: bytes) -> bytes:
    """Accept, and leave the node's cgroup before the first byte."""
    with listener(IPV4, port) as door:
        say("listening")
        with accept(door) as sock:
            move(ROOT)
            return receives_first(sock, content)


def serve_by_outsider(say: Say, port: int, content: bytes) -> bytes:
    """Accept, outside of the node's cgroup, from a listener that was made within."""
    out, into = os.pipe()
    with listener(IPV4, port) as door:
        child = start_child(partial(_outside, door, into, content))
        say("listening")
    return result_of(out, into, child)


def _outside(door: socket.socket, into: int, content: bytes) -> None:
    move(ROOT)
    write_use(into, partial(accept, door), partial(receives_first, content=content))


def test_accepted_elsewhere_than_listened_for(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    content, secret = payload(marker), (ports.require(), ports.require())
    servers = [
        node_b.start(partial(accept_and_leave, port=secret[0], content=content)),
        node_b.start(partial(serve_by_outsider, port=secret[1], content=content)),
    ]
    assert [server.heard() for server in servers] == ["listening"] * 2
    clients = [node_a.start(partial(dial, way=IPV4, port=port, talk=sends_first, content=content)) for port in secret]
    assert [job.result() == content for job in (*clients, *servers)] == [True] * 4
    wire.secured(marker, *secret, flows=2)


def received(node_a: Node, node_b: Node, port: int, content: bytes, cgroup: Path) -> bytes:
    """What that listener's connection brings, of a socket that was made in that cgroup."""
    server = node_b.start(partial(from_outside, node=node_b.name, port=port, size=len(content)))
    assert server.heard() == "listening"
    node_a.start(partial(sent_from, node=node_a.name, port=port, content=content, cgroup=cgroup)).result()
    return server.result()


def test_what_was_made_outside_is_nobodys(node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes) -> None:
    """The limit that docs/limits.md names: with the whole machine's cgroup in '[capture]' nothing is outside.

    Whoever accepts it, such a listener's connection is none of the agent's; a client's end goes on in TLS all the same.
    """
    content, listened, both = payload(marker, 2000), ports.require(), ports.require()
    assert marker not in received(node_a, node_b, listened, content, ROOT / node_a.name)
    assert len(node_a.events("Connecting")) == 1
    assert received(node_a, node_b, both, content, ROOT) == content
    assert len(node_a.events("Connecting")) == 1 and not node_b.events("Connecting")
    wire.secret(marker, listened)
    wire.clear(marker, both)
