# SPDX-License-Identifier: Apache-2.0
"""A socket that its owner has no more, found in the process that it was left to, which says nothing."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from tlshub_core.pipeline import descriptor
from tlshub_core.pipeline.heirs import APART_S, AT_ONCE, PATIENCE_S, Heirs
from tlshub_core.pipeline.owners import Owners
from tlshub_core.testing.node import Link
from tlshub_core.types.capture import FlowOwned, Owner
from tlshub_core.types.errors import Reason, Unavailable
from tlshub_core.types.events import Event, Owned

WAITS = "import sys; name = bytes.fromhex(sys.argv[1]); name and open('/proc/self/comm', 'wb').write(name); "
WAITS += "print('ready', flush=True); sys.stdin.read()"
LIMIT_S, GRACE_S = 5.0, 0.2


@contextmanager
def process(*descriptors: int, name: bytes = b"") -> Iterator[subprocess.Popen[bytes]]:
    """A child with these descriptors, which it never touches; it may give itself a name."""
    words = [sys.executable, "-S", "-c", WAITS, name.hex()]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=descriptors) as child:
        assert child.stdout is not None and child.stdout.readline() == b"ready\n"
        yield child
        child.kill()


@pytest.fixture
def heir(link: Link) -> Iterator[tuple[Owner, int, int]]:
    """Who had the socket last, which is this process; its cookie; and the process that has it now."""
    gone, cookie = link.owner, link.cookie
    gone = replace(gone, inode=os.fstat(gone.fd).st_ino)
    with process(gone.fd) as child:
        link.client.close()
        try:
            found = descriptor.take(Owner(pid=child.pid, fd=gone.fd, inode=0, comm=""), cookie)
        except PermissionError:
            pytest.skip("this machine does not let a process look into its child's descriptors (ptrace_scope, seccomp)")
        assert found is not None
        found.close()
        yield gone, cookie, child.pid


async def found_by(owner: Owner, cookie: int) -> int:
    """The process that the socket was taken from; what was taken must be the right one."""
    said: list[Event] = []
    lost: list[None] = []
    owners = Owners(uuid.uuid4(), cookie, owner, said.append, Heirs())
    with await asyncio.wait_for(owners.get(lambda: lost.append(None), GRACE_S), LIMIT_S) as found:
        assert descriptor.cookie_of(found) == cookie
    (owned,) = said
    assert isinstance(owned, Owned) and owned.comm.startswith("python") and lost == [None]
    return owned.pid


async def test_a_child_of_the_owner(heir: tuple[Owner, int, int]) -> None:
    gone, cookie, pid = heir
    assert await found_by(gone, cookie) == pid


@pytest.mark.parametrize(
    ("name", "comm"), [(b"\xff\xc3(", "\ufffd\ufffd("), (b"a\nb\x1b", "a\nb\x1b"), (b"c\n\n", "c\n\n")], ids=str
)
async def test_an_heir_may_call_itself_anything(link: Link, name: bytes, comm: str) -> None:
    gone, cookie = replace(link.owner, inode=os.fstat(link.owner.fd).st_ino), link.cookie
    with process(gone.fd, name=name):
        link.client.close()
        found = await Heirs().find(gone, cookie, asyncio.Event())
    assert found is not None
    found[1].close()
    assert found[0].comm == comm


async def test_the_owner_is_dead(heir: tuple[Owner, int, int]) -> None:
    gone, cookie, pid = heir
    with process() as stranger:
        pass
    assert await found_by(replace(gone, pid=stranger.pid), cookie) == pid


@pytest.mark.parametrize("known", [{"fd": -1}, {"inode": 0}, {"inode": 1}, {"fd": 0}], ids=str)
async def test_what_is_not_known_is_not_searched_for_and_what_is_wrong_not_found(
    heir: tuple[Owner, int, int], known: dict[str, int]
) -> None:
    gone, cookie, _ = heir
    assert await Heirs().find(replace(gone, **known), cookie, asyncio.Event()) is None  # type: ignore[arg-type]


async def test_a_socket_with_another_cookie_is_another_one(heir: tuple[Owner, int, int]) -> None:
    gone, cookie, _ = heir
    before = len(os.listdir("/proc/self/fd"))
    assert await Heirs().find(gone, cookie + 1_000_000, asyncio.Event()) is None
    assert len(os.listdir("/proc/self/fd")) == before


async def test_others_have_their_turn_while_it_is_searched_for(heir: tuple[Owner, int, int]) -> None:
    gone, cookie, _ = heir
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    assert await Heirs().find(gone, cookie + 1_000_000, asyncio.Event()) is None
    task.cancel()
    assert turns >= sum(map(str.isdecimal, os.listdir("/proc"))) // AT_ONCE


async def test_searches_are_few_and_end_with_news(heir: tuple[Owner, int, int]) -> None:
    gone, cookie, pid = heir
    searches, news = Heirs(), asyncio.Event()
    began = time.monotonic()
    at_once = await asyncio.gather(*(searches.find(gone, cookie, news) for _ in range(3)))
    assert time.monotonic() - began >= PATIENCE_S + 2 * APART_S
    for one in at_once:
        assert one is not None and one[0].pid == pid
        one[1].close()
    news.set()
    assert await searches.find(gone, cookie, news) is None


async def test_nobody_has_it_until_somebody_says_so(link: Link) -> None:
    cookie, said = link.cookie, list[Event]()
    with process() as stranger:
        owners = Owners(uuid.uuid4(), cookie, replace(link.owner, pid=stranger.pid, fd=0), said.append, Heirs())
        lost = asyncio.Event()
        taking = asyncio.create_task(owners.get(lost.set, GRACE_S))
        await asyncio.wait_for(lost.wait(), LIMIT_S)
        await asyncio.sleep(0.3)
        assert not taking.done()
        owners.tell(FlowOwned(cookie=cookie, time_ns=0, owner=link.owner, held=False))
        with await asyncio.wait_for(taking, LIMIT_S) as found:
            assert descriptor.cookie_of(found) == cookie


async def test_what_its_last_owner_closed_is_given_up_after_a_while(link: Link) -> None:
    with process() as stranger:
        gone = replace(link.owner, pid=stranger.pid, fd=0)
        owners = Owners(uuid.uuid4(), link.cookie, gone, list[Event]().append, Heirs())
        taking = asyncio.create_task(owners.get(lambda: None, GRACE_S))
        await asyncio.sleep(GRACE_S)
        assert not taking.done()
        owners.tell(FlowOwned(cookie=link.cookie, time_ns=0, owner=Owner(pid=0, fd=-1, inode=0, comm=""), held=False))
        await asyncio.sleep(GRACE_S / 2)
        assert not taking.done()
        with pytest.raises(Unavailable) as caught:
            await asyncio.wait_for(taking, LIMIT_S)
        assert caught.value.reason is Reason.CLOSED
