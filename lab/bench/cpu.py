# SPDX-License-Identifier: Apache-2.0
"""CPU time and memory of processes, from /proc."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path

_SCHED = 2


def family(pid: int) -> list[int]:
    """A process and all below it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in family(int(child)))]


def seconds(pids: Iterable[int]) -> float:
    """User and system time of these processes and all below them, threads that have ended included."""
    return sum(own(one) for pid in pids for one in family(pid))


def own(pid: int) -> float:
    """That of a process alone, by its CPU clock, which clock_getcpuclockid(3) makes of its number."""
    return time.clock_gettime(~pid << 3 | _SCHED)


def resident(pid: int) -> float:
    """Resident megabytes of a process alone."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


def since(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """The differences."""
    return {name: after[name] - before[name] for name in after}
