# SPDX-License-Identifier: Apache-2.0
"""What the two signals that hold a blocking program are to the program itself and to its parent."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import socket
import time
from dataclasses import dataclass
from functools import partial
from typing import Literal

from tests.lab.kit.hold import gate, held, speaker, spoken, stopped, warm
from tests.lab.kit.job import Say
from tests.lab.kit.node import Node
from tests.lab.kit.ports import IPV4, Ports, Way
from tests.lab.kit.talk import payload, take
from tests.lab.kit.wire import Wire

pytestmark = gate
Kind = Literal["default", "ignored", "blocked", "restarting", "interrupted"]
KINDS: tuple[Kind, ...] = ("default", "ignored", "blocked", "restarting", "interrupted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a program saw while it waited in recv()."""

    got: bytes
    handled: int
    interrupted: int
    pending: bool


def prepare(kind: Kind) -> int:
    """Meet SIGCONT in that way; a descriptor with a byte for every run of the handler."""
    near, far = os.pipe2(os.O_NONBLOCK)
    signal.set_wakeup_fd(far, warn_on_full_buffer=False)
    if kind == "ignored":
        signal.signal(signal.SIGCONT, signal.SIG_IGN)
    elif kind == "blocked":
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCONT})
    elif kind != "default":
        signal.signal(signal.SIGCONT, lambda *_: None)
        signal.siginterrupt(signal.SIGCONT, kind == "interrupted")
    return near


def first_byte(sock: socket.socket) -> tuple[bytes, int]:
    """recv() as C has it, which does not hide EINTR as Python does; how often there was one."""
    libc, byte = ctypes.CDLL(None, use_errno=True), ctypes.create_string_buffer(1)
    interrupted = 0
    while libc.recv(sock.fileno(), byte, 1, 0) != 1:
        assert ctypes.get_errno() == errno.EINTR, errno.errorcode[ctypes.get_errno()]
        interrupted += 1
    return byte.raw, interrupted


def listen_to(_say: Say, way: Way, port: int, size: int, kind: Kind) -> Seen:
    runs = prepare(kind)
    with socket.create_connection((way.host, port)) as sock:
        first, interrupted = first_byte(sock)
        got = first + take(sock, size)
    try:
        handled = len(os.read(runs, 65536))
    except BlockingIOError:
        handled = 0
    return Seen(got=got, handled=handled, interrupted=interrupted, pending=signal.SIGCONT in signal.sigpending())


def test_who_sees_the_signal_that_ends_a_hold(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    secret, content = [ports.require() for _ in KINDS], payload(marker)
    warm(node_a, node_b, ports.require())
    for port in secret:
        speaker(node_b, port, content)
    with stopped(node_b):
        clients = [
            node_a.start(partial(listen_to, way=IPV4, port=port, size=len(content), kind=kind))
            for port, kind in zip(secret, KINDS, strict=True)
        ]
        held(node_a, len(KINDS))
    seen = dict(zip(KINDS, (client.result() for client in clients), strict=True))
    assert all(one.got == content for one in seen.values())
    assert {kind for kind, one in seen.items() if one.handled} == {"restarting", "interrupted"}
    assert {kind for kind, one in seen.items() if one.interrupted} == {"interrupted"}
    assert {kind for kind, one in seen.items() if one.pending} == {"blocked"}
    spoken(wire, marker, *secret)


def told_of_child(_say: Say, way: Way, port: int, content: bytes) -> tuple[int, int]:
    child = os.fork()
    if child == 0:
        with socket.create_connection((way.host, port)) as sock:
            os._exit(0 if take(sock, len(content) + 1) == content else 1)
    told = os.waitid(os.P_PID, child, os.WEXITED | os.WSTOPPED | os.WCONTINUED)
    assert told is not None
    return told.si_code, told.si_status


def test_a_parent_is_told_of_no_stop(node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes) -> None:
    port, content = ports.require(), payload(marker)
    warm(node_a, node_b, ports.require())
    speaker(node_b, port, content)
    with stopped(node_b):
        parent = node_a.start(partial(told_of_child, way=IPV4, port=port, content=content))
        held(node_a)
    assert parent.result() == (os.CLD_EXITED, 0)
    spoken(wire, marker, port)


def alarmed(_say: Say, way: Way, port: int, size: int) -> tuple[bytes, int]:
    """A timer of the program's own, without SA_RESTART, goes off while it waits; how often its wait was interrupted."""
    signal.signal(signal.SIGALRM, lambda *_: None)
    with socket.create_connection((way.host, port)) as sock:
        signal.setitimer(signal.ITIMER_REAL, 0.3, 0.3)
        first, interrupted = first_byte(sock)
        signal.setitimer(signal.ITIMER_REAL, 0)
        return first + take(sock, size), interrupted


def test_other_signals_come_through(node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes) -> None:
    killed, woken, content = ports.require(), ports.require(), payload(marker)
    warm(node_a, node_b, ports.require())
    for port in (killed, woken):
        speaker(node_b, port, content)
    with stopped(node_b):
        victim = node_a.start(partial(listen_to, way=IPV4, port=killed, size=len(content), kind="default"))
        sleeper = node_a.start(partial(alarmed, way=IPV4, port=woken, size=len(content)))
        held(node_a, 2)
        os.kill(victim.pid, signal.SIGTERM)
        assert os.WTERMSIG(victim.reap()) == signal.SIGTERM
        time.sleep(1)  # for the timer to go off
    got, interrupted = sleeper.result()
    assert got == content and interrupted > 0
    wire.secret(marker, killed)
    spoken(wire, marker, woken)
