# SPDX-License-Identifier: Apache-2.0
"""The weaker hold: processes are stopped, not calls; who calls all the same is refused, and sends nothing."""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
from functools import partial

import pytest

from tests.lab.kit.attempt import serve_whom_it_may, try_to
from tests.lab.kit.bcc import STOP, needs_bcc
from tests.lab.kit.chat import Chat
from tests.lab.kit.hold import GATE, held, stopped, warm
from tests.lab.kit.job import Say
from tests.lab.kit.node import Node
from tests.lab.kit.pins import detach, until
from tests.lab.kit.polling import by_poll, level
from tests.lab.kit.ports import IPV4, Ports, Way
from tests.lab.kit.state import state_of
from tests.lab.kit.talk import Talk, converse, payload, receives_first
from tests.lab.kit.wire import Wire
from tests.lab.test_lab_echo import (
    test_bytes_arrive_and_none_is_in_clear,
    test_what_is_only_preferred_is_secured_too_and_what_is_observed_is_reported,
)

PATIENT = STOP | GATE | {f"capture.{name}_deadline_ms": "4000" for name in ("handshake", "gate")}
PLACES = (
    *(f"{kind} tcp_v{version}_connect" for kind in ("kprobe", "kretprobe") for version in (4, 6)),
    *("kprobe tcp_sendmsg", "kprobe fd_install", "kprobe release_sock", "sockops"),
)
pytestmark = [pytest.mark.agents(node_a=STOP, node_b=STOP), needs_bcc]
__all__ = (
    "test_bytes_arrive_and_none_is_in_clear",
    "test_what_is_only_preferred_is_secured_too_and_what_is_observed_is_reported",
)


def polls_first(_say: Say, way: Way, port: int, talk: Talk, content: bytes) -> bytes:
    """A client that never waits but in poll()."""
    with socket.socket(way.family) as sock:
        sock.setblocking(False)
        assert sock.connect_ex((way.host, port)) == errno.EINPROGRESS
        assert by_poll(sock, True)[1] and not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        return talk(sock, content)


def sends_blindly(_say: Say, way: Way, port: int, content: bytes) -> int:
    """A client that sends again and again, and asks nobody whether it may; the error that ends it, or 0."""
    with socket.socket(way.family) as sock:
        sock.setblocking(False)
        assert sock.connect_ex((way.host, port)) == errno.EINPROGRESS
        while True:
            try:
                sock.send(content)
            except BlockingIOError:
                select.select([], [], [], 0.01)
            except OSError as error:
                return error.errno or 0


def test_the_agents_say_how_they_hold_and_what_is_attached_where(node_a: Node, node_b: Node) -> None:
    for node in (node_a, node_b):
        log = node.agent.log.rpartition("Attaching eBPF programs")[2]  # of this agent, not of those before it
        attached = [line.rpartition("(")[2].rstrip(")") for line in log.splitlines() if "Attached: " in line]
        assert set(PLACES) <= set(attached) and not any("fmod_ret" in place for place in attached), attached
        assert "connections are held by 'stop'" in node.agent.log


def test_a_client_that_asks_poll_is_secured(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    port, content = ports.require(), payload(marker)
    converse(node_a, node_b, IPV4, port, level(by_poll), receives_first, content, dialler=polls_first).check()
    wire.secured(marker, port, flows=1)


def test_a_client_that_sends_without_asking_is_refused_and_sends_nothing(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    port, content = ports.require(), payload(marker)
    server = node_b.start(partial(serve_whom_it_may, way=IPV4, port=port, talk=receives_first, content=content))
    assert server.heard() == "listening"
    with stopped(node_b):  # its keys may be quicker than a program that is busy
        number = node_a.start(partial(sends_blindly, way=IPV4, port=port, content=content)).result()
    assert number in (errno.ECONNABORTED, errno.ECONNRESET, errno.EPIPE), errno.errorcode[number]
    assert [event["reason"] for event in node_a.await_events("Refused", 1)] == ["not-held"]
    wire.silent(marker, port)


@pytest.mark.agents(node_a=PATIENT, node_b=STOP)
def test_who_is_stopped_goes_on_though_the_agent_is_killed(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    port, content = ports.require(), payload(marker)
    warm(node_a, node_b, ports.require())
    server = node_b.start(partial(serve_whom_it_may, way=IPV4, port=port, talk=receives_first, content=content))
    assert server.heard() == "listening"
    with stopped(node_b):
        client = node_a.start(partial(try_to, way=IPV4, port=port, content=content))
        assert held(node_a) == [client.pid]
        until(lambda: state_of(client.pid) == "T", "a held client is not stopped")
        node_a.agent.kill()
        ended, seconds = client.result()
        assert not ended and seconds > 1, seconds
    wire.silent(marker, port)
    node_a.agent.start(PATIENT)
    node_a.agent.ready()


@pytest.mark.agents(node_a=PATIENT, node_b=STOP)
def test_whom_its_user_stopped_stays_so(node_a: Node, node_b: Node, ports: Ports, marker: bytes) -> None:
    warm(node_a, node_b, ports.require())
    sleeper = node_a.start(lambda say: (say("here"), signal.pause())[1])
    assert sleeper.heard() == "here"
    os.kill(sleeper.pid, signal.SIGSTOP)
    until(lambda: state_of(sleeper.pid) == "T", "a process does not stop")
    converse(node_a, node_b, IPV4, ports.require(), level(by_poll), receives_first, payload(marker)).check()
    assert state_of(sleeper.pid) == "T"


def test_what_an_earlier_agent_marked_goes_on_under_the_next(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    seen, going, new = ports.observe(), ports.require(), ports.require()
    chats = [Chat(node_a, node_b, port, marker) for port in (seen, going)]
    node_a.agent.kill()
    detach(node_a)
    node_a.agent.start(STOP)
    node_a.agent.ready()
    converse(node_a, node_b, IPV4, new, level(by_poll), receives_first, payload(marker)).check()
    for chat in chats:
        chat.end()
    wire.clear(marker, seen)
    wire.secured(marker, going, new)
