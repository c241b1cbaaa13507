# SPDX-License-Identifier: Apache-2.0
"""Who else may have a socket whose owner has it no more: a child that inherited it, a process that it was sent to.

Such a process is not reported until it calls into the socket, and one that waits for the peer to speak calls nothing.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from socket import socket

from tlshub_core.pipeline import descriptor
from tlshub_core.types.capture import Owner

PROC = Path("/proc")
# There may be thousands of processes: other connections wait meanwhile, and so does whoever this agent, which has
# real-time priority, took the processor from.
AT_ONCE, PAUSE_S = 16, 0.001


async def find(gone: Owner, cookie: int, *, everywhere: bool) -> tuple[Owner, socket] | None:
    """A duplicate from a child of the last owner, or, at a much higher price, from any process; None if there is none.

    The socket's inode must be known: without it every socket of every process would have to be duplicated.
    """
    if not gone.inode:
        return None
    for number, pid in enumerate(_everyone() if everywhere else _children(gone.pid), 1):
        heir = replace(gone, pid=pid, fd=-1, comm="")
        found = _from(heir, cookie)
        if found is not None:
            return replace(heir, comm=_name(pid)), found
        if number % AT_ONCE == 0:
            await asyncio.sleep(PAUSE_S)
    return None


def _from(heir: Owner, cookie: int) -> socket | None:
    try:
        return descriptor.take(heir, cookie)
    except OSError:  # it ended meanwhile, or may not be looked into: then it cannot be asked, and the search goes on
        return None


def _children(pid: int) -> Iterator[int]:
    """The latest first: a server that forks for each connection may have many (CONFIG_PROC_CHILDREN)."""
    for file in PROC.glob(f"{pid}/task/*/children"):
        try:
            yield from map(int, reversed(file.read_text().split()))
        except (FileNotFoundError, ProcessLookupError):
            continue  # that thread has ended


def _everyone() -> Iterator[int]:
    return map(int, filter(str.isdecimal, os.listdir(PROC)))


def _name(pid: int) -> str:
    try:
        return (PROC / str(pid) / "comm").read_text().rstrip("\n")
    except (FileNotFoundError, ProcessLookupError):
        return ""
