# SPDX-License-Identifier: Apache-2.0
"""Who inherited a socket that its owner has no more: a child has it under the same number, and nobody tells of it.

Such a child may only wait for the peer to speak. It would be found when it calls; but a peer that ends the connection
instead could not be heard until then, because the end of a held connection is kept back.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path
from socket import socket

from tlshub_core.pipeline import descriptor
from tlshub_core.types.capture import Owner

PROC = Path("/proc")
# There may be thousands of processes. In between, other connections have their turn, and whoever this agent took the
# processor from by its real-time priority.
AT_ONCE, PAUSE_S = 16, 0.001


async def find(gone: Owner, cookie: int) -> tuple[Owner, socket] | None:
    """A duplicate from a process that has the socket under the number that `gone` had; None where there is none."""
    if gone.fd < 0 or not gone.inode:
        return None
    for number, pid in enumerate(_processes(), 1):
        found = _from(replace(gone, pid=pid), cookie)
        if found is not None:
            return replace(gone, pid=pid, comm=_name(pid)), found
        if number % AT_ONCE == 0:
            await asyncio.sleep(PAUSE_S)
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
        return (PROC / str(pid) / "comm").read_text().rstrip("\n")
    except OSError:  # it has ended since
        return ""
