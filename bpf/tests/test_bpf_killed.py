# SPDX-License-Identifier: Apache-2.0
"""An agent that is killed in the middle of its start, after each call by which it leaves something behind."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from itertools import count

import pytest
from tlshub_capture_bpf.backend import LibbpfBackend
from tlshub_capture_bpf.libbpf import Libbpf
from tlshub_capture_bpf.pins import LINKS, NEXT

from bpf.tests.pinning import begin, here, running
from tlshub_core.api import CaptureSettings, Mode
from tlshub_core.detaching import detach
from tlshub_core.testing.cgroup import programs_on
from tlshub_core.testing.matching import row, rule_set
from tlshub_core.testing.talker import Talker

REQUIRE = rule_set([row(Mode.REQUIRE)])
LEAVE = ("bpf_object__load", "bpf_map_update_elem", "bpf_obj_pin", "bpf_link_update", "bpf_link__destroy")
__all__ = ["here"]


@pytest.fixture
def talker(here: CaptureSettings) -> Iterator[Talker]:
    found = Talker(here.cgroup)
    yield found
    found.end()


class Mortal(Libbpf):
    """Kills its own process after so many of these calls."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self._left = steps

    def code(self, name: str, *arguments: object) -> int:
        result = super().code(name, *arguments)
        self._left -= name in LEAVE
        if not self._left and name in LEAVE:
            os.kill(os.getpid(), signal.SIGKILL)
        return result


def killed(here: CaptureSettings, steps: int) -> bool:
    """Start an agent that dies after so many steps, if it has so many."""

    async def start() -> None:
        begin(LibbpfBackend(), REQUIRE, here, Mortal(steps))

    child = os.fork()
    if not child:
        try:
            asyncio.run(start())
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


async def takes_over(here: CaptureSettings, talker: Talker, known: int) -> None:
    async with running(REQUIRE, here) as next_one:
        talker.open(1, 1)
        assert len(next_one.flows()) == known + 2
        assert programs_on(here.cgroup) == 1
        assert [sorted(path.name for path in (here.pins / part).iterdir()) for part in (LINKS, NEXT)] == [
            ["on_sockops"],
            [],
        ]


def test_in_its_first_start(here: CaptureSettings, talker: Talker) -> None:
    for steps in count(1):
        if not killed(here, steps):
            break
        seen = 2 * programs_on(here.cgroup)  # a connection meanwhile is entered where the program is attached already
        talker.open(1, 1)
        asyncio.run(takes_over(here, talker, seen))
        asyncio.run(detach(LibbpfBackend(), here))
        assert not here.pins.exists()
    assert steps > 5
    asyncio.run(detach(LibbpfBackend(), here))


def test_while_it_takes_over(here: CaptureSettings, talker: Talker) -> None:
    async def first() -> None:
        async with running(REQUIRE, here):
            talker.open(1, 1)

    asyncio.run(first())
    for steps in count(1):
        if not killed(here, steps):
            break
        assert programs_on(here.cgroup) == 1, "there is a moment in which nothing marks new connections"
        talker.open(1, 1)
        asyncio.run(takes_over(here, talker, 4 * steps))
    assert steps > 4
    asyncio.run(detach(LibbpfBackend(), here))
