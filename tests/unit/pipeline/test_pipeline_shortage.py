# SPDX-License-Identifier: Apache-2.0
"""An agent that is out of descriptors: what it cannot install is refused and reset, and it has no other trouble."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

import pytest

from tlshub_core.pipeline import release, sockdiag
from tlshub_core.testing.node import Link, MemoryNode
from tlshub_core.types import events
from tlshub_core.types.capture import State
from tlshub_core.types.errors import Reason
from tlshub_core.types.flow import Side


@contextmanager
def descriptors_left(count: int) -> Iterator[None]:
    """So many may be opened, no more: the limit is of their numbers, and the lowest that are free are taken first."""
    spare = [os.dup(0) for _ in range(count + 1)]
    for number in spare:
        os.close(number)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (spare[-1], before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_what_is_refused_is_reset_all_the_same(link: Link) -> None:
    node = MemoryNode()
    node.backend.begin(Side.CLIENT, link.tuple4, cookie=link.cookie)
    with closing(sockdiag.Destroyer()) as destroyer, descriptors_left(0):
        with pytest.raises(OSError, match="Too many open files"):
            sockdiag.Destroyer()
        release.refuse(node.backend, link.cookie, link.tuple4, Side.CLIENT, None, destroyer)
    with pytest.raises(ConnectionResetError):
        link.server.recv(1)


@pytest.mark.parametrize("left", [0, 1, 2])
@pytest.mark.parametrize("known", [True, False], ids=["by number", "by a search"])
async def test_what_cannot_be_taken_is_refused(
    link: Link, installed: list[object], left: int, known: bool, caplog: pytest.LogCaptureFixture
) -> None:
    node, open_files = MemoryNode(), len(os.listdir("/proc/self/fd"))
    await node.begin(link, Side.SERVER)
    cookie = next(iter(node.backend.histories))
    with descriptors_left(left):
        await node.establish(link, Side.SERVER)
        node.backend.own(cookie, replace(link.owner, fd=link.server.fileno() if known else -1))
        await node.settle()
    taken = left == 2
    assert len(installed) == taken and node.backend.histories[cookie][-1] is (State.OPEN if taken else State.REFUSED)
    assert [event.reason for event in node.said(events.Refused)] == [Reason.OWNER_UNKNOWN] * (not taken)
    assert "bug in" not in caplog.text and len(os.listdir("/proc/self/fd")) <= open_files
    if not taken:
        with pytest.raises(ConnectionResetError):
            link.client.recv(1)
