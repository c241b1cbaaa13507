# SPDX-License-Identifier: Apache-2.0
"""A local user without privilege, and what such a one tries on processes, files and programs of others."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Pipe
from pathlib import Path

UID = 61234
PTRACE_ATTACH, SYS_PIDFD_GETFD = 16, 438
READ = ("environ", "maps", "smaps", "pagemap", "auxv", "io", "personality", "syscall", "stack")
LISTED = ("fd", "fdinfo", "map_files")
LINKS = ("cwd", "exe", "root", "ns/net")
WRITTEN = ("oom_score_adj", "coredump_filter", "comm")
Attempt = tuple[str, Callable[[], object]]


def become() -> None:
    """From here on this process is the stranger."""
    os.setgroups([])
    os.setresgid(UID, UID, UID)
    os.setresuid(UID, UID, UID)


def got_through(attempts: Iterable[Attempt], enter: Callable[[], object] = lambda: None) -> list[str]:
    """Those that the stranger was not refused with EPERM or EACCES; what this kernel does not have is passed over.

    `enter` is what root does for it before, such as changing to another network namespace.
    """
    ours, theirs = Pipe(duplex=False)
    pid = os.fork()
    if not pid:
        try:
            enter()
            become()
            theirs.send_bytes(json.dumps([f"{name}: {said}" for name, do in attempts if (said := tried(do))]).encode())
        finally:
            os._exit(0)
    theirs.close()
    try:
        found: list[str] = json.loads(ours.recv_bytes())
    finally:
        os.waitpid(pid, 0)
    return found


def tried(do: Callable[[], object]) -> str:
    try:
        return f"done, {str(do())[:60]!r}"
    except (PermissionError, FileNotFoundError):
        return ""
    except OSError as error:
        return str(error)


def on_process(pid: int) -> Iterator[Attempt]:
    """Its memory, environment, descriptors and limits; signals and tracing. None of it ends the process."""
    proc = Path(f"/proc/{pid}")
    yield from ((f"{proc}/{name}", partial(opened, proc / name)) for name in (*READ, "mem"))
    yield from ((f"{proc}/{name}", partial(os.listdir, proc / name)) for name in LISTED)
    yield from ((f"{proc}/{name}", partial(os.readlink, proc / name)) for name in LINKS)
    yield from ((f"{proc}/{name} written", partial(opened, proc / name, os.O_WRONLY)) for name in (*WRITTEN, "mem"))
    libc = ctypes.CDLL(None, use_errno=True)
    yield f"{pid} traced", partial(called, libc.ptrace, PTRACE_ATTACH, pid, None, None)
    yield f"{pid} read by process_vm_readv", partial(peeked, libc, pid)
    yield f"{pid} robbed of a descriptor", partial(robbed, libc, pid)
    yield f"{pid} signalled", partial(os.kill, pid, 0)
    yield f"{pid} limited", partial(resource.prlimit, pid, resource.RLIMIT_CORE)
    yield f"{pid} put aside", partial(os.sched_setaffinity, pid, {0})


def on_file(path: Path, *, secret: bool) -> Iterator[Attempt]:
    """Writing to it, replacing it, putting another one beside it; reading it where it is secret."""
    if secret:
        yield f"{path} read", partial(opened, path)
    yield f"{path} written", partial(opened, path, os.O_WRONLY | os.O_APPEND)
    yield f"{path} made wider", partial(os.chmod, path, 0o666)
    yield f"{path} renamed", partial(os.rename, path, path.with_name("stolen"))
    yield f"a file beside {path}", partial(opened, path.with_name("new"), os.O_WRONLY | os.O_CREAT)


def on_socket(path: Path) -> Iterator[Attempt]:
    """Asking whoever listens there."""

    def ask() -> object:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(os.fspath(path))
            return sock.recv(100)

    yield f"{path} connected to", ask


def on_programs(pins: Iterable[Path] = ()) -> Iterator[Attempt]:
    """BPF programs, maps and links of this machine, which only root can list, and the paths where some are pinned.

    Raises OSError where the caller is not root, or libbpf is not installed.
    """
    libbpf = ctypes.CDLL("libbpf.so.1", use_errno=True)
    for kind in ("prog", "map", "link"):
        get = getattr(libbpf, f"bpf_{kind}_get_fd_by_id")
        for number in numbers(getattr(libbpf, f"bpf_{kind}_get_next_id")):
            with suppress(FileNotFoundError):  # it may be another test's, and have ended
                os.close(called(get, number))
                yield f"{kind} {number}", partial(called, get, number)
    yield from ((f"pin {pin}", partial(called, libbpf.bpf_obj_get, os.fsencode(pin))) for pin in pins)


def numbers(next_id: Callable[..., int]) -> Iterator[int]:
    """All that there are, as the kernel counts them."""
    number = ctypes.c_uint32(0)
    with suppress(FileNotFoundError):
        while not called(next_id, number.value, ctypes.byref(number)):
            yield number.value


def opened(path: Path, flags: int = os.O_RDONLY) -> int:
    """Open the file, and read where that is what it is opened for, though not a memory, whose first page nobody has."""
    fd = os.open(path, flags)
    try:
        return fd if flags or path.name == "mem" else len(os.read(fd, 1))
    finally:
        os.close(fd)


def called(function: Callable[..., int], *arguments: object) -> int:
    """A function of the C library; raises OSError."""
    if (result := function(*arguments)) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def peeked(libc: ctypes.CDLL, pid: int) -> int:
    """A byte of another process, at an address where none has any: what matters is who may ask."""
    here = (ctypes.c_void_p * 2)(ctypes.addressof(ctypes.create_string_buffer(1)), 1)  # struct iovec
    there = (ctypes.c_void_p * 2)(1, 1)
    return called(libc.process_vm_readv, pid, here, 1, there, 1, 0)


def robbed(libc: ctypes.CDLL, pid: int) -> int:
    """A duplicate of the first descriptor of a process."""
    pidfd = os.pidfd_open(pid)
    try:
        return called(libc.syscall, SYS_PIDFD_GETFD, pidfd, 0, 0)
    finally:
        os.close(pidfd)
