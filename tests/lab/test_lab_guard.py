# SPDX-License-Identifier: Apache-2.0
"""An agent is killed: who waits is told at the deadline, who comes later at once, and the next agent counts them."""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from tests.lab.kit.attempt import serve_whom_it_may, try_to
from tests.lab.kit.hold import stopped
from tests.lab.kit.job import Job, Say, fork
from tests.lab.kit.node import Node, T
from tests.lab.kit.pins import until
from tests.lab.kit.place import enter_network
from tests.lab.kit.ports import IPV4, Ports, Way
from tests.lab.kit.talk import accept, converse, listener, payload, receives_first, sends_first
from tests.lab.kit.wire import Wire

HANDSHAKE_S = 4.0
LATE_S = 2.5  # of a machine that is slow
SYN_S = 3.0  # a connect() that is refused ends with the second timeout of its SYN
SHORT = {f"capture.{name}_deadline_ms": str(int(HANDSHAKE_S * 1000)) for name in ("handshake", "gate")}
HERE = Way(
    name="node-a", listen_family=socket.AF_INET, listen_host="10.77.0.1", family=socket.AF_INET, host="10.77.0.1"
)
GONE = (errno.ECONNABORTED, errno.ECONNRESET)


@contextmanager
def outside(node: Node, function: Callable[[Say], T]) -> Iterator[Job[T]]:
    """A program of the node's network that its agent does not capture, as on a node without one."""
    job = fork(partial(enter_network, f"/run/netns/{node.name}"), function)
    try:
        yield job
    finally:
        job.kill()


def serving(node: Node, port: int, content: bytes, stack: ExitStack) -> None:
    """A server out there, for one connection, if it comes."""
    server = partial(serve_whom_it_may, way=IPV4, port=port, talk=receives_first, content=content)
    assert stack.enter_context(outside(node, server)).heard() == "listening"


def sleeps(say: Say, port: int) -> tuple[int, float]:
    """Accept a connection and sleep until something is to be read of it; which error it was, and after how long."""
    with listener(HERE, port) as sock, select.epoll() as poll:
        say("listening")
        connection, began = accept(sock), time.monotonic()
        poll.register(connection, select.EPOLLIN)
        say("accepted")
        poll.poll()
        with pytest.raises(OSError) as caught:
            connection.recv(1)
        return caught.value.errno or 0, time.monotonic() - began


def comes(_say: Say, port: int) -> int:
    """A client without an agent that waits for the server's first word."""
    with socket.create_connection((HERE.host, port)) as sock:
        try:
            return len(sock.recv(1))
        except OSError as error:
            return -(error.errno or 0)


def guard_of(agent: int) -> int:
    """The process of its guard, 0 where there is none yet."""
    for child in Path(f"/proc/{agent}/task/{agent}/children").read_text().split():
        with suppress(FileNotFoundError, ProcessLookupError):  # an agent at its start has children for an instant
            if Path(f"/proc/{child}/comm").read_text() == "tlshub-guard\n":
                return int(child)
    return 0


def again(node: Node) -> dict[str, object]:
    """The next agent, and what it says of the time without one."""
    node.agent.start(SHORT)
    node.agent.ready()
    (told,) = node.await_events("Unattended", 1)
    return told


@pytest.mark.agents(node_a=SHORT)
def test_those_who_wait_end_at_the_deadline_and_new_ones_are_decided_at_once(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    asked, accepted, begun, late = (ports.require() for _ in range(4))
    prefer, prefer_late, secured, content = ports.prefer(), ports.prefer(), ports.require(), payload(marker)

    def client(port: int) -> Job[tuple[bool, float]]:
        return node_a.start(partial(try_to, way=IPV4, port=port, content=content))

    with ExitStack() as stack, stopped(node_b):
        for port in (asked, begun, late, prefer, prefer_late):
            serving(node_b, port, content, stack)
        server = node_a.start(partial(sleeps, port=accepted))
        assert server.heard() == "listening"
        stranger = stack.enter_context(outside(node_b, partial(comes, port=accepted)))
        assert server.heard() == "accepted"
        held = [client(asked)]
        node_a.await_events("Connecting", 2)
        node_a.agent.kill()
        held += [client(begun), client(prefer)]
        for job, good in zip(held, (False, False, True), strict=True):
            ended, seconds = job.result()
            print("held:", ended, seconds)
            assert ended is good and HANDSHAKE_S - 0.1 < seconds < (2 if good else 1) * HANDSHAKE_S + LATE_S, seconds
        number, seconds = server.result()
        print("sleeper:", number, seconds)
        assert number in GONE and HANDSHAKE_S - 0.5 < seconds < HANDSHAKE_S + LATE_S, (number, seconds)
        assert stranger.result() == -errno.ECONNRESET
        until(lambda: "no agent: new connections" in node_a.agent.log, "the guard does not give up")
        for port, good in ((late, False), (prefer_late, True)):
            ended, seconds = client(port).result()
            print("late:", ended, seconds)
            assert ended is good and seconds < (0 if good else SYN_S) + LATE_S, seconds
        told = again(node_a)
    assert (told["refused"], told["released"]) == (4, 2) and told["since_ns"], told
    converse(node_a, node_b, IPV4, secured, sends_first, receives_first, content).check()
    wire.silent(marker, asked, accepted, begun, late)
    wire.clear(marker, prefer, prefer_late)
    wire.secured(marker, secured, flows=1)


@pytest.mark.agents(node_a=SHORT)
def test_without_a_guard_the_programs_refuse_alone(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    held, accepted, content = ports.require(), ports.require(), payload(marker)
    agent = node_a.agent.pid
    until(lambda: guard_of(agent) != 0, "an agent has no guard")
    first = guard_of(agent)
    os.kill(first, signal.SIGKILL)
    until(lambda: guard_of(agent) not in (0, first), "an agent whose guard ended has no other one")
    os.kill(guard_of(agent), signal.SIGKILL)
    node_a.agent.kill()
    with ExitStack() as stack:
        serving(node_b, held, content, stack)
        server = node_a.start(partial(serve_whom_it_may, way=HERE, port=accepted, talk=sends_first, content=content))
        assert server.heard() == "listening"
        stranger = stack.enter_context(outside(node_b, partial(comes, port=accepted)))
        good, seconds = node_a.start(partial(try_to, way=IPV4, port=held, content=content)).result()
        print("alone:", good, seconds)
        assert not good and seconds < 4 * HANDSHAKE_S, seconds
        assert server.result() == b"" and stranger.result() <= 0
    told = again(node_a)
    assert (told["refused"], told["released"], told["since_ns"]) == (2, 0, 0), told
    until(lambda: guard_of(node_a.agent.pid) != 0, "the next agent has no guard")
    wire.silent(marker, held, accepted)
