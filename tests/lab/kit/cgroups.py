# SPDX-License-Identifier: Apache-2.0
"""Processes that change their cgroup, and what they made before."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tests.lab.kit.job import Say
from tests.lab.kit.ports import IPV4
from tests.lab.kit.talk import accept, listener, take

ROOT = Path("/sys/fs/cgroup")
INNER = "inner"


def move(cgroup: Path) -> None:
    """This process belongs there from now on."""
    (cgroup / "cgroup.procs").write_text(str(os.getpid()))


def inner(node: str) -> Path:
    """A cgroup below the node's, for this process alone."""
    found = ROOT / node / f"{INNER}-{os.getpid()}"
    found.mkdir()
    return found


def from_below(node: str, make: Callable[[], socket.socket]) -> socket.socket:
    """Made in a cgroup below the node's, by a process that then goes back."""
    below = inner(node)
    move(below)
    sock = make()
    move(ROOT / node)
    below.rmdir()
    return sock


def from_within(_node: str, make: Callable[[], socket.socket]) -> socket.socket:
    """Made in the node's cgroup, by a process that then leaves for one that is not below it."""
    sock = make()
    move(ROOT)
    return sock


def from_below_outside(node: str, make: Callable[[], socket.socket]) -> socket.socket:
    """Made in a cgroup below the node's that is removed, by a process that leaves."""
    sock = from_below(node, make)
    move(ROOT)
    return sock


MOVES = (from_below, from_within, from_below_outside)
Moves = Callable[[str, Callable[[], socket.socket]], socket.socket]


def from_outside(say: Say, node: str, port: int, size: int) -> bytes:
    """Accept, in the node's cgroup, from a listener that was made outside of it."""
    move(ROOT)
    with listener(IPV4, port) as door:
        move(ROOT / node)
        say("listening")
        with accept(door) as sock, suppress(ConnectionError):
            return take(sock, size)
    return b""


def sent_from(_say: Say, node: str, port: int, content: bytes, cgroup: Path) -> None:
    """Send, in the node's cgroup, by a socket that was made in that one: the other end tells what becomes of it."""
    move(cgroup)
    with suppress(OSError), socket.socket() as sock:
        move(ROOT / node)
        sock.connect((IPV4.host, port))
        sock.sendall(content)
