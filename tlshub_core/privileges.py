# SPDX-License-Identifier: Apache-2.0
"""What the agent may do once it captures, and what its sinks may: capabilities(7), given up for good.

A capability is a thread's: threads that are there already keep theirs, those that a thread starts later have its own.
"""

from __future__ import annotations

import ctypes
import logging
import os
from collections.abc import Collection
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING

from tlshub_core.types.errors import Unavailable

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

PR_CAPBSET_READ, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 23, 24, 38, 47, 4
_VERSION_3 = 0x20080522
_libc = ctypes.CDLL(None, use_errno=True)
_log = logging.getLogger("tlshub.privileges")


class Capability(IntEnum):
    """Those that the agent needs at some time; numbers of <linux/capability.h>."""

    DAC_READ_SEARCH = 2
    KILL = 5
    SETPCAP = 8
    NET_BIND_SERVICE = 10
    NET_ADMIN = 12
    IPC_LOCK = 14
    SYS_PTRACE = 19
    SYS_ADMIN = 21
    SYS_NICE = 23
    SYSLOG = 34
    PERFMON = 38
    BPF = 39


# Other users' sockets are listed and fetched, connections reset, rules swapped, all new memory is locked, what is
# started anew to take the agent's place gets its priority, and other users' processes that were stopped go on.
RUNNING = frozenset(
    {
        Capability.DAC_READ_SEARCH,
        Capability.KILL,
        Capability.SYS_PTRACE,
        Capability.NET_ADMIN,
        Capability.BPF,
        Capability.IPC_LOCK,
        Capability.SYS_NICE,
    }
)


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Half(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def running(port: int) -> frozenset[Capability]:
    """What an agent keeps that listens on `port`, to which a provider may come while it runs."""
    return RUNNING | {Capability.NET_BIND_SERVICE} if port < 1024 else RUNNING


def pool(keep: Collection[Capability]) -> ThreadPoolExecutor:
    """Threads that never have more than `keep`, for a loop that begins with more."""
    from concurrent.futures import ThreadPoolExecutor  # not for processes that have no such loop

    return ThreadPoolExecutor(initializer=drop, initargs=(keep,))


def settle(keep: Collection[Capability]) -> None:
    """The process has started, and keeps those; raises Unavailable where it cannot give up the others."""
    try:
        drop(keep)
        if left := excess(keep):
            _log.warning("threads %s have capabilities that the agent has given up: a plugin started them", left)
    except OSError as error:
        raise Unavailable(f"capabilities that are not needed any more cannot be given up: {error}") from error


def drop(keep: Collection[Capability]) -> None:
    """Leave the calling thread those of `keep` that it has, and no way to more; raises OSError.

    Without CAP_SETPCAP the bounding set stays as it is: what it says is for programs that gain privileges, and with
    no_new_privs none does.
    """
    _prctl("PR_SET_NO_NEW_PRIVS", PR_SET_NO_NEW_PRIVS, 1)
    permitted = _permitted()
    if permitted >> Capability.SETPCAP & 1:
        _bound(keep)
    _prctl("PR_CAP_AMBIENT", PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    left = permitted & sum(1 << one for one in keep)
    halves = (_Half * 2)(*(_Half(part, part, 0) for part in (left & 0xFFFFFFFF, left >> 32)))
    if _libc.capset(ctypes.byref(_Header(_VERSION_3, 0)), halves):
        raise OSError(ctypes.get_errno(), f"capset: {os.strerror(ctypes.get_errno())}")


def excess(keep: Collection[Capability], process: Path = Path("/proc/self")) -> tuple[int, ...]:
    """Threads of a process that may have more than `keep`, by their ids. Raises OSError."""
    allowed, found = sum(1 << one for one in keep), []
    for task in (process / "task").iterdir():
        try:
            permitted = _field(task / "status", "CapPrm")
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended
        if permitted & ~allowed:
            found.append(int(task.name))
    return tuple(found)


def _bound(keep: Collection[Capability]) -> None:
    for number in range(64):
        has = _libc.prctl(PR_CAPBSET_READ, number, 0, 0, 0)
        if has < 0:
            return  # the kernel knows no more
        if has and number not in keep:
            _prctl("PR_CAPBSET_DROP", PR_CAPBSET_DROP, number)


def _permitted() -> int:
    return _field(Path("/proc/thread-self/status"), "CapPrm")


def _field(status: Path, name: str) -> int:
    fields = (line.split(":", 1) for line in status.read_text().splitlines())
    return next(int(value, 16) for key, value in fields if key == name)


def _prctl(name: str, option: int, argument: int) -> None:
    if _libc.prctl(option, argument, 0, 0, 0):
        raise OSError(ctypes.get_errno(), f"prctl({name}): {os.strerror(ctypes.get_errno())}")
