# SPDX-License-Identifier: Apache-2.0
"""The application's own socket, out of a process that really is another one."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tlshub_core.pipeline import descriptor
from tlshub_core.testing.node import Link
from tlshub_core.types.capture import Owner

CHILD = "import sys; print('ready', flush=True); sys.stdin.read()"


@pytest.fixture
def child(link: Link) -> Iterator[subprocess.Popen[bytes]]:
    """A process with the client's end, under the number that it has here."""
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", CHILD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pass_fds=[link.client.fileno(), 0],
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    yield process
    process.kill()
    process.communicate()


def take(pid: int, cookie: int, *, fd: int = -1, inode: int = 0) -> bool:
    """Whether the socket was found; what was found must be the right one, and works."""
    try:
        found = descriptor.take(Owner(pid=pid, fd=fd, inode=inode, comm=""), cookie)
    except PermissionError:
        pytest.skip("this machine does not let a process look into its child's descriptors (ptrace_scope, seccomp)")
    if found is None:
        return False
    with found:
        assert descriptor.cookie_of(found) == cookie
        found.getpeername()
    return True


def test_by_number_by_inode_and_by_walk(child: subprocess.Popen[bytes], link: Link) -> None:
    cookie, fd = link.cookie, link.client.fileno()
    inode = os.fstat(fd).st_ino
    link.client.detach()
    try:
        assert take(child.pid, cookie, fd=fd)
        assert take(child.pid, cookie, inode=inode)
        assert take(child.pid, cookie)
    finally:
        os.close(fd)
    link.server.sendall(b"the duplicate was closed, the socket was not")


def test_a_reused_number_is_not_believed(child: subprocess.Popen[bytes], link: Link) -> None:
    fd, cookie = link.client.fileno(), link.cookie
    for wrong in (0, 1, 2, 999, fd + 1):
        assert take(child.pid, cookie, fd=wrong), "the walk finds it all the same"
    assert not take(child.pid, cookie + 1_000_000, fd=fd)
    assert not take(child.pid, cookie, inode=1)
    assert not take(child.pid, descriptor.cookie_of(link.server))


def test_no_descriptor_is_left_behind(child: subprocess.Popen[bytes], link: Link) -> None:
    before = len(os.listdir("/proc/self/fd"))
    take(child.pid, link.cookie)
    take(child.pid, link.cookie + 1_000_000, fd=link.client.fileno())
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_dead_process_has_no_socket(child: subprocess.Popen[bytes], link: Link) -> None:
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    zombie = not take(child.pid, link.cookie, fd=link.client.fileno())
    child.wait()
    assert zombie
    assert not take(child.pid, link.cookie, fd=link.client.fileno())


HEADLESS = """
import ctypes, sys, threading
threading.Thread(target=sys.stdin.read).start()
ctypes.CDLL(None).pthread_exit(None)
"""


def test_a_process_whose_main_thread_has_ended(link: Link) -> None:
    """Its number names the ended thread, which has no descriptors; before Linux 6.9 the others cannot be asked."""
    fd, pipes = link.client.fileno(), {"stdin": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-S", "-c", HEADLESS], **pipes, pass_fds=[fd]) as process:
        while "Z (zombie)" not in Path(f"/proc/{process.pid}/status").read_text():
            time.sleep(0.01)
        before = len(os.listdir("/proc/self/fd"))
        assert take(process.pid, link.cookie, fd=fd) is _can_ask_threads()
        assert not take(process.pid, link.cookie + 1_000_000, fd=fd)
        assert len(os.listdir("/proc/self/fd")) == before


def _can_ask_threads() -> bool:
    try:
        os.close(os.pidfd_open(threading.get_native_id(), descriptor.PIDFD_THREAD))
    except OSError:
        return False
    return True


def test_cookie_of_no_socket_is_zero() -> None:
    link = Link.make()
    link.close()
    assert descriptor.cookie_of(link.client) == 0
