# SPDX-License-Identifier: Apache-2.0
"""Who inherited a socket that its owner has no more: a child has it under the same number, and nobody tells of it.

Such a child may only wait for the peer to speak. It would be found when it calls; but a peer that ends the connection
instead could not be heard until then, because the end of a held connection is kept back.
"""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import replace
from pathlib import Path
from socket import socket

from tlshub_core.pipeline import descriptor
from tlshub_core.types.capture import Owner

PROC = Path("/proc")
PATIENCE_S, APART_S = 0.05, 0.25  # most sockets that nobody has are about to be closed; and a search may go far
# There may be thousands of processes. In between, other connections have their turn, and whoever this agent took the
# processor from by its real-time priority.
AT_ONCE, PAUSE_S = 16, 0.001


class Heirs:
    """Searches among all processes, of which there are few however many connections lose their owners."""

    def __init__(self) -> None:
        self._next = 0.0

    async def find(self, gone: Owner, cookie: int, news: asyncio.Event) -> tuple[Owner, socket] | None:
        """A duplicate from a process that has the socket under the number that `gone` had.

        None where there is none, where number or inode are not known, and as soon as there is news.
        """
        if gone.fd < 0 or not gone.inode or await _came(news, PATIENCE_S):
            return None
        now = time.monotonic()
        start = max(now, self._next)
        self._next = start + APART_S
        return None if await _came(news, start - now) else await _search(gone, cookie, news)


async def _came(news: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(news.wait(), seconds)
    except TimeoutError:
        return news.is_set()
    return True


async def _search(gone: Owner, cookie: int, news: asyncio.Event) -> tuple[Owner, socket] | None:
    for number, pid in enumerate(_processes(), 1):
        found = _from(replace(gone, pid=pid), cookie)
        if found is not None:
            return replace(gone, pid=pid, comm=_name(pid)), found
        if number % AT_ONCE == 0 and await _came(news, PAUSE_S):
            break
    return None


def _processes() -> list[int]:
    return [int(name) for name in os.listdir(PROC) if name.isdecimal()]


def _from(heir: Owner, cookie: int) -> socket | None:
    """One look at one number, which asks no file system: the link of a file on a dead server can be read, too."""
    try:
        if os.readlink(f"{PROC}/{heir.pid}/fd/{heir.fd}") != f"socket:[{heir.inode}]":
            return None
        return descriptor.take(heir, cookie)
    except OSError:  # it ended, has no such number, or may not be looked into: then it cannot be asked
        return None


def _name(pid: int) -> str:
    try:
        return (PROC / str(pid) / "comm").read_bytes().removesuffix(b"\n").decode(errors="replace")
    except OSError:  # it has ended since
        return ""
