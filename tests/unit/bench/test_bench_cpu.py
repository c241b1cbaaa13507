# SPDX-License-Identifier: Apache-2.0
"""What /proc says of processes, told of real ones."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from bench.cpu import family, resident, seconds, since
from bench.measurement import VARIANTS
from bench.variants import PHASES, variants

WORK = """
import subprocess, sys, time
inner = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
while time.process_time() < 0.4: pass
print(inner.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def worker() -> Iterator[tuple[int, int]]:
    """A process that has been busy for 0.4 s, and its idle child."""
    words = [sys.executable, "-c", WORK]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield process.pid, int(process.stdout.readline())


def test_a_process_counts_with_all_below_it(worker: tuple[int, int]) -> None:
    outer, inner = worker
    assert family(outer) == [outer, inner]
    assert 0.38 <= seconds([outer]) < 5
    assert seconds([inner]) < seconds([outer])
    assert seconds([outer]) == pytest.approx(seconds([outer, inner]) - seconds([inner]), abs=0.03)


def test_memory_is_that_of_the_process_in_megabytes() -> None:
    before = resident(os.getpid())
    block = bytearray(os.urandom(64 << 20))
    assert 60 < resident(os.getpid()) - before < 80
    del block


def test_what_was_used_since() -> None:
    assert since({"nginx": 1.0, "gone": 2.0}, {"nginx": 1.5}) == {"nginx": 0.5}


def test_every_variant_is_measured_in_its_phase() -> None:
    found = variants("192.0.2.1", bcc=True)
    assert tuple(one.name for one in found) == VARIANTS
    agents = {one.name: len(PHASES[one.phase].nodes) for one in found}
    assert (agents["plain"], agents["uncaptured"], agents["captured"]) == (0, 1, 2)
    assert agents["nginx_tls"] == agents["stunnel"] == agents["haproxy"] == 0
    assert (agents["uncaptured_bcc"], agents["captured_bcc"]) == (1, 2)


def test_without_bcc_no_agent_of_it_runs() -> None:
    found = variants("192.0.2.1", bcc=False)
    assert "captured" in {one.name for one in found} and {one.backend for one in found} == {"libbpf"}
