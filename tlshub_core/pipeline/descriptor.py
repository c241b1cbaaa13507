# SPDX-License-Identifier: Apache-2.0
"""Step 4: a duplicate of the application's own socket descriptor, and proof that it is the right one."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import threading
from collections.abc import Iterator
from socket import AF_INET, IPPROTO_TCP, SO_LINGER, SOCK_STREAM, SOL_SOCKET, socket

from tlshub_core.types.capture import Owner

SO_COOKIE = 57
SYS_PIDFD_GETFD = 438  # the same number on all architectures, as of all calls since 5.0
PIDFD_THREAD = os.O_EXCL  # since Linux 6.9
_COOKIE = struct.Struct("=Q")
_LINGER = struct.Struct("=ii")
_libc = ctypes.CDLL(None, use_errno=True)


def take(owner: Owner, cookie: int) -> socket | None:
    """A duplicate of the socket with that cookie, or None where the process has it no more.

    Descriptors are reused within microseconds, so a duplicate counts only if its SO_COOKIE is the flow's. Raises
    PermissionError where the agent may not look into the process (it needs CAP_SYS_PTRACE).
    """
    found = _take(owner.pid, 0, owner, cookie)
    if found is not None:
        return found
    others = (_take(thread, PIDFD_THREAD, owner, cookie) for thread in _left_behind(owner.pid))
    return next((one for one in others if one is not None), None)


def _take(task: int, flags: int, owner: Owner, cookie: int) -> socket | None:
    pidfd = _opened(task, flags)
    if pidfd is None:
        return None
    try:
        for fd in _candidates(task, owner):
            found = _duplicate(pidfd, fd)
            if found is not None and cookie_of(found) == cookie:
                return found
            if found is not None:
                found.close()
        return None
    finally:
        os.close(pidfd)


def _opened(task: int, flags: int) -> int | None:
    try:
        return os.pidfd_open(task, flags)
    except ProcessLookupError:
        return None
    except OSError as error:
        if error.errno == errno.EINVAL and flags:  # a kernel that knows no descriptors of threads
            return None
        raise


def _left_behind(pid: int) -> list[int]:
    """The threads of a process whose main one has ended: they have the descriptors that it gave up."""
    try:
        if os.listdir(f"/proc/{pid}/fd"):
            return []
        return [int(name) for name in os.listdir(f"/proc/{pid}/task") if int(name) != pid]
    except OSError:  # the process has ended, or may not be looked into
        return []


def _candidates(task: int, owner: Owner) -> Iterator[int]:
    """The descriptor that was reported, then every other one that may be this socket."""
    if owner.fd >= 0:
        yield owner.fd
    wanted = f"socket:[{owner.inode}]" if owner.inode else "socket:["
    folder = f"/proc/{task}/fd"
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return
    for name in names:
        try:
            if os.readlink(f"{folder}/{name}").startswith(wanted):
                yield int(name)
        except FileNotFoundError:
            continue  # closed meanwhile


def _duplicate(pidfd: int, fd: int) -> socket | None:
    number = _libc.syscall(SYS_PIDFD_GETFD, pidfd, fd, 0)
    if number >= 0:
        return _socket(number)
    if ctypes.get_errno() == 1:
        raise PermissionError(1, "pidfd_getfd: not permitted: the agent needs CAP_SYS_PTRACE")
    return None


def _socket(number: int) -> socket | None:
    try:
        return socket(AF_INET, SOCK_STREAM, IPPROTO_TCP, fileno=number)
    except OSError:  # by now the process has something else under that number, which is no socket
        os.close(number)
        return None


def let_go(sock: socket) -> None:
    """Close our duplicate, by now perhaps the last one, and do not wait as the application wished with SO_LINGER."""
    try:
        on, seconds = _LINGER.unpack(sock.getsockopt(SOL_SOCKET, SO_LINGER, _LINGER.size))
    except OSError:
        on, seconds = 0, 0
    if on and seconds:
        threading.Thread(target=sock.close, daemon=True).start()
    else:
        sock.close()


def cookie_of(sock: socket) -> int:
    """The socket's SO_COOKIE; 0 where the descriptor is no socket."""
    try:
        return int(_COOKIE.unpack(sock.getsockopt(SOL_SOCKET, SO_COOKIE, _COOKIE.size))[0])
    except OSError:
        return 0
