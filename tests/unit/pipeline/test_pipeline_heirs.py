# SPDX-License-Identifier: Apache-2.0
"""A socket that its owner has no more, found in the process that it was left or sent to, which says nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tlshub_core.pipeline import descriptor
from tlshub_core.pipeline.owners import Owners
from tlshub_core.testing.node import Link
from tlshub_core.types.capture import Owner
from tlshub_core.types.events import Event, Owned

WAITS = "import sys; print('ready', flush=True); sys.stdin.read()"
PATIENCE_S = 5.0


@contextmanager
def process(*descriptors: int) -> Iterator[subprocess.Popen[bytes]]:
    """A child with these descriptors, which it never touches."""
    words = [sys.executable, "-S", "-c", WAITS]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=descriptors) as child:
        assert child.stdout is not None and child.stdout.readline() == b"ready\n"
        yield child
        child.kill()


@pytest.fixture
def heir(link: Link) -> Iterator[tuple[Owner, int, int]]:
    """Who had the socket last, which is this process; its cookie; and the process that has it now."""
    fd, cookie = link.client.fileno(), link.cookie
    gone = Owner(pid=os.getpid(), fd=fd, inode=os.fstat(fd).st_ino, comm="gone")
    with process(fd) as child:
        link.client.close()
        try:
            found = descriptor.take(Owner(pid=child.pid, fd=fd, inode=0, comm=""), cookie)
        except PermissionError:
            pytest.skip("this machine does not let a process look into its child's descriptors (ptrace_scope, seccomp)")
        assert found is not None
        found.close()
        yield gone, cookie, child.pid


async def found_by(owner: Owner, cookie: int) -> int:
    """The process that the socket was taken from; what was taken must be the right one."""
    said: list[Event] = []
    with await Owners(uuid.uuid4(), cookie, owner, said.append).get(PATIENCE_S) as found:
        assert descriptor.cookie_of(found) == cookie
    (owned,) = said
    assert isinstance(owned, Owned) and owned.comm.startswith("python")
    return owned.pid


async def test_a_child_of_the_owner(heir: tuple[Owner, int, int]) -> None:
    gone, cookie, pid = heir
    assert await found_by(gone, cookie) == pid


async def test_a_process_that_is_no_child_of_the_owner(heir: tuple[Owner, int, int]) -> None:
    gone, cookie, pid = heir
    with process() as stranger:
        there = Owner(pid=stranger.pid, fd=gone.fd, inode=gone.inode, comm="gone")
        assert await found_by(there, cookie) == pid
    dead = Owner(pid=stranger.pid, fd=gone.fd, inode=gone.inode, comm="gone")
    assert await found_by(dead, cookie) == pid


@pytest.mark.parametrize("known", [True, False], ids=["inode", "no-inode"])
async def test_nobody_has_it(link: Link, known: bool) -> None:
    fd, cookie = link.client.fileno(), link.cookie
    gone = Owner(pid=os.getpid(), fd=fd, inode=os.fstat(fd).st_ino if known else 0, comm="gone")
    link.client.close()
    with pytest.raises(TimeoutError):
        await Owners(uuid.uuid4(), cookie, gone, lambda _event: None).get(0.3)
