# SPDX-License-Identifier: Apache-2.0
"""CPU time and memory of processes, from /proc."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """A process and all below it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in family(int(child)))]


def seconds(pids: Iterable[int]) -> float:
    """User and system time of these processes and all below them, threads that have ended included; 10 ms at best."""
    return sum(_ticks(one) for pid in pids for one in family(pid)) / _TICKS


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def resident(pid: int) -> float:
    """Resident megabytes of a process alone."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


def since(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """The differences."""
    return {name: after[name] - before[name] for name in after}
