# SPDX-License-Identifier: Apache-2.0
"""An application in namespaces of its own, as container runtimes make them, which is process 1 of its world."""

from __future__ import annotations

import ctypes
import os
import tempfile
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import TypeVar, cast

from tests.lab.kit.chat import Flag
from tests.lab.kit.job import Failed, Say

T = TypeVar("T")
NEWNS, NEWUSER, NEWPID, NEWNET = 0x20000, 0x10000000, 0x20000000, 0x40000000
CONTAINER = NEWNS | NEWUSER | NEWPID
MS_RDONLY, MS_REC, MS_PRIVATE = 1, 0x4000, 0x40000
_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, call: str) -> None:
    if result:
        raise OSError(ctypes.get_errno(), call)


def _unshare(flags: int) -> None:
    """unshare(2); root of a new user namespace is whoever this is outside."""
    user, group = os.getuid(), os.getgid()
    _check(_libc.unshare(flags), "unshare")
    if flags & NEWUSER:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")


def _mount_proc() -> None:
    """This pid namespace's own /proc, read-only."""
    _check(_libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "mount /")
    _check(_libc.mount(b"proc", b"/proc", b"proc", MS_RDONLY, None), "mount /proc")
    assert os.getpid() == 1 and os.readlink("/proc/self") == "1"


def _into(flags: int, root: str) -> None:
    if flags & NEWNS:
        _mount_proc()
    if root:
        os.chroot(root)
        os.chdir("/")


def contained(say: Say, function: Callable[[Say], T], flags: int = 0, go: Flag | None = None) -> T:
    """Run `function` in new namespaces, or where there are no flags in an empty root; says its process, as seen here.

    With `go` it begins when that is set: its network has to be made first. Raises Failed with its trace.
    """
    (ours, theirs), told = Pipe(duplex=False), Flag()
    root = "" if flags else tempfile.mkdtemp()
    _unshare(flags)
    child = os.fork()
    if child == 0:
        _run(theirs, function, flags, root, say, (told, go or told))
    theirs.close()
    say(child)
    told.set()
    try:
        done, value = ours.recv()
    except EOFError:
        raise Failed("the process in the container ended without a word") from None
    finally:
        os.waitpid(child, 0)
    if not done:
        raise Failed(f"in the container:\n{value}")
    return cast(T, value)


def _run(
    into: Connection, function: Callable[[Say], T], flags: int, root: str, say: Say, waits: tuple[Flag, Flag]
) -> None:
    try:
        _into(flags, root)
        for flag in waits:
            flag.wait()
        into.send((True, function(say)))
    except BaseException:  # noqa: BLE001 - told to the test, which fails with it
        into.send((False, traceback.format_exc()))
    finally:
        os._exit(0)
