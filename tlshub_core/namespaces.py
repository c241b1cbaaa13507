# SPDX-License-Identifier: Apache-2.0
"""Namespaces: something done once in every network of this machine, and whether all its processes are seen."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from pathlib import Path

CLONE_NEWNET = 0x40000000
ALL_PROCESSES = "pid:[4026531836]"  # PROC_PID_INIT_INO of <linux/proc_ns.h>
_libc = ctypes.CDLL(None, use_errno=True)


def sees_all_processes(root: Path = Path("/")) -> bool:
    """Whether processes have the numbers here by which programs in the kernel name them; raises OSError."""
    return os.readlink(root / "proc/self/ns/pid") == ALL_PROCESSES


def everywhere(work: Callable[[], None]) -> list[str]:
    """Call `work` in each namespace; returns what went wrong, a line for each namespace that could not be entered.

    Each call has a thread of its own, because a namespace is a thread's, and that thread ends with it.
    """
    failures: list[str] = []
    for path in _namespaces():
        thread = threading.Thread(target=_enter, args=(path, work, failures))
        thread.start()
        thread.join()
    return failures


def _namespaces() -> list[Path]:
    found: dict[int, Path] = {}
    for process in Path("/proc").iterdir():
        path = process / "ns/net"
        if process.name.isdigit():
            try:
                found.setdefault(path.stat().st_ino, path)
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue  # the process ended, or is a kernel thread's remainder
    return list(found.values())


def _enter(path: Path, work: Callable[[], None], failures: list[str]) -> None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if _libc.setns(fd, CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
            work()
        finally:
            os.close(fd)
    except FileNotFoundError:
        return  # its last process ended meanwhile
    except OSError as error:
        failures.append(f"'{path}': {error}")
