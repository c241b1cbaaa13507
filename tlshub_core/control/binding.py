# SPDX-License-Identifier: Apache-2.0
"""The socket in the file system: private before anybody can connect, one agent's at a time."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tlshub_core.types.errors import TlshubError, Unavailable

BACKLOG = 16
_WRITABLE = stat.S_IWGRP | stat.S_IWOTH
_CREDENTIALS = struct.Struct("=iII")  # struct ucred, <linux/socket.h>


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The process at the other end, as it was when it connected or listened; SO_PEERCRED, see unix(7)."""

    pid: int
    uid: int

    @classmethod
    def of(cls, sock: socket.socket) -> Caller:
        """Of a connected socket."""
        data = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        pid, uid, _ = _CREDENTIALS.unpack(data)
        return cls(pid=pid, uid=uid)


def claim(path: Path) -> socket.socket:
    """A listening socket at `path`, mode 0600, its folder made (0700) if need be; that of a dead agent gives way.

    Raises Unavailable where another agent has it, TlshubError where it cannot be had or others could replace it.
    """
    try:
        _check_folder(path)
        with _locked(path):
            _make_way(path)
            return _listening(path)
    except OSError as error:
        raise _cannot(path, os.strerror(error.errno).lower() if error.errno else str(error)) from error


def remove(path: Path, inode: int) -> None:
    """Take the socket away, if it is still the one with that inode."""
    try:
        if path.lstat().st_ino == inode:
            path.unlink()
    except FileNotFoundError:
        return  # somebody was quicker


def _cannot(path: Path, why: str) -> TlshubError:
    return TlshubError(f"the control socket '{path}' cannot be had: {why}; see 'socket' in '[control]'")


def _check_folder(path: Path) -> None:
    """Whoever may write to the folder may put a socket of their own into it, and be taken for the agent."""
    folder = path.parent
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        found = folder.stat()
        if found.st_uid not in (0, os.geteuid()) or found.st_mode & _WRITABLE:
            raise _cannot(path, f"others than this user and root may write to '{folder}'") from None


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Of two agents that start at once, none may take the other's fresh socket for a dead one's.

    By a file that nobody else can open: whoever can open one can hold its lock, and keep agents from starting.
    """
    fd = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _make_way(path: Path) -> None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise _cannot(path, "there is something else of that name")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        error = probe.connect_ex(os.fspath(path))
        if error in (0, errno.EAGAIN):  # EAGAIN: it listens, and its queue is full
            who = f", pid {Caller.of(probe).pid}" if not error else ""
            raise Unavailable(f"another agent is running{who}: stop it, or give this one a 'socket' in '[control]'")
    if error != errno.ECONNREFUSED:
        raise OSError(error, os.strerror(error))
    path.unlink()


def _listening(path: Path) -> socket.socket:
    """The mode is set before there is a file, and connect() is refused until listen(): there is no gap between."""
    sock = socket.socket(socket.AF_UNIX)
    try:
        os.fchmod(sock.fileno(), 0o600)
        sock.bind(os.fspath(path))
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock
