# SPDX-License-Identifier: Apache-2.0
"""The agent's own process, its choice of a backend, and what it hands to one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pydantic import BaseModel

from tlshub_core.backends import _mount_point, select
from tlshub_core.testing.memory_backend import MemoryBackend
from tlshub_core.types.errors import Unavailable
from tlshub_core.types.flow import Mode
from tlshub_core.types.interfaces import CaptureBackend, Holds, Level, Probe
from tlshub_core.types.spec import CaptureBackendSpec

PROTECT = """
import ctypes, resource
from tlshub_core import process
process.protect()
print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), *resource.getrlimit(resource.RLIMIT_CORE))
"""
HURRY = """
import os, resource, subprocess, sys
from tlshub_core import process
process.hurry()
child = subprocess.run(['cat', '/proc/self/stat'], capture_output=True, text=True).stdout.split()[40]
print(os.sched_getscheduler(0) & 0xff, child, resource.getrlimit(resource.RLIMIT_RTTIME)[0])
"""
BUSY = """
import os, resource, time
from tlshub_core import process
process.RT_BUDGET_US = 100_000
process.hurry()
end = time.process_time() + 0.5
while time.process_time() < end:
    continue
print(os.sched_getscheduler(0) & 0xff, resource.getrlimit(resource.RLIMIT_RTTIME)[0])
"""
ENDING = """
import signal, time
from tlshub_core import process
process.RT_BUDGET_US = 100_000
process.hurry()
process.relax()
signal.signal(signal.SIGXCPU, signal.SIG_DFL)  # as Python itself does when it exits
end = time.process_time() + 0.5
while time.process_time() < end:
    continue
"""
WITHOUT_RIGHTS = """
import os, resource
resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0))
from tlshub_core import process
os.setresuid(65534, 65534, 65534)  # from here on it may not be able to read the checkout
process.hurry()
print('runs on')
"""


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_nobody_reads_the_agents_memory() -> None:
    assert python(PROTECT).stdout.split() == ["0", "0", "0"]


def test_a_small_real_time_priority_that_children_lose() -> None:
    done = python(HURRY)
    if "no real-time priority" in done.stderr:
        pytest.skip("this machine gives no real-time priority (needs CAP_SYS_NICE)")
    assert done.stdout.split() == ["2", "0", "2000000"], done.stderr


def test_an_agent_that_runs_without_a_pause_makes_one_and_keeps_its_priority() -> None:
    done = python(BUSY)
    if "no real-time priority" in done.stderr:
        pytest.skip("this machine gives no real-time priority (needs CAP_SYS_NICE)")
    assert done.stdout.split() == ["2", "100000"], done.stderr
    assert "without a pause, and made one" in done.stderr


def test_an_agent_that_ends_need_make_no_pause() -> None:
    done = python(ENDING)
    assert done.returncode == 0, (done.returncode, done.stderr)


def test_without_the_right_to_it_the_agent_says_so_and_runs() -> None:
    done = python(WITHOUT_RIGHTS)
    if "PermissionError" in done.stderr and "setresuid" in done.stderr:
        pytest.skip("needs root: to give up rights")
    assert done.stdout.strip() == "runs on", done.stderr
    assert "needs CAP_SYS_NICE" in done.stderr


def test_the_mount_point_of_a_folder(tmp_path: Path) -> None:
    assert _mount_point(Path("/proc/sys/net")) in (Path("/proc"), Path("/proc/sys"))
    assert _mount_point(Path("/")) == Path("/")
    link = tmp_path / "link"
    link.symlink_to("/proc/sys/net")
    assert _mount_point(link) == _mount_point(Path("/proc/sys/net"))


class Options(BaseModel):
    """None."""


class Probed(MemoryBackend):
    """Answers as the test wants."""

    def __init__(self, answer: Probe) -> None:
        super().__init__()
        self.answer = answer

    async def probe(self) -> Probe:
        return self.answer


def described(name: str, rank: int, level: Level, holds: Holds = Holds.WELL) -> CaptureBackendSpec:
    backend = Probed(Probe(level=level, message=f"{name} says", remedy=f"mend {name}", holds=holds))
    return CaptureBackendSpec(name=name, summary="", config=Options, factory=lambda _: backend, rank=rank)


async def choose(
    installed: Sequence[CaptureBackendSpec],
    named: CaptureBackendSpec | None = None,
    say: Callable[[str], None] = lambda _: None,
    mode: Mode = Mode.REQUIRE,
) -> CaptureBackend:
    config = SimpleNamespace(make=lambda spec: spec.factory(None), rules=[SimpleNamespace(mode=mode)])
    registry = SimpleNamespace(capture_backends=lambda: installed)
    _, backend = await select(cast(Any, config), cast(Any, SimpleNamespace(backend=named)), cast(Any, registry), say)
    return backend


async def test_the_lowest_rank_that_works_is_taken() -> None:
    specs = [described("third", 30, Level.OK), described("first", 10, Level.FAILED), described("second", 20, Level.OK)]
    assert await choose(specs) is specs[2].factory(None)
    specs[1] = described("first", 10, Level.WARNING)
    assert await choose(specs) is specs[1].factory(None)


async def test_it_is_said_which_one_is_taken_and_why_none_before_it() -> None:
    said = list[str]()
    specs = [described("first", 10, Level.FAILED), described("second", 20, Level.OK)]
    await choose(specs, say=said.append)
    assert said == ["Capture backend: second (second says); not 'first': first says"]


@pytest.mark.parametrize(
    ("first", "second", "taken"),
    [
        (Holds.NOT, Holds.WELL, 1),
        (Holds.NOT, Holds.WEAKLY, 1),
        (Holds.WEAKLY, Holds.WELL, 1),
        (Holds.WEAKLY, Holds.WEAKLY, 0),
        (Holds.NOT, Holds.NOT, 0),
    ],
)
async def test_where_rules_hold_the_first_that_does_it_best_is_taken(first: Holds, second: Holds, taken: int) -> None:
    said = list[str]()
    specs = [described("first", 10, Level.WARNING, first), described("second", 20, Level.OK, second)]
    specs.append(described("failed", 15, Level.FAILED))
    assert await choose(specs, say=said.append) is specs[taken].factory(None)
    assert ("not 'first': first says" in said[0]) is bool(taken)
    assert await choose(specs, mode=Mode.OBSERVE) is specs[0].factory(None)


async def test_a_named_one_is_not_replaced_by_another() -> None:
    with pytest.raises(Unavailable, match="backend 'named' does not work: named says: mend named"):
        await choose([described("other", 1, Level.OK)], described("named", 10, Level.FAILED))


async def test_where_none_works_all_are_quoted() -> None:
    with pytest.raises(Unavailable, match="'one': one says: mend one; 'two': two says: mend two"):
        await choose([described("one", 1, Level.FAILED), described("two", 2, Level.FAILED)])
    with pytest.raises(Unavailable, match="none is installed"):
        await choose([])
