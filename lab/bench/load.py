# SPDX-License-Identifier: Apache-2.0
"""Three pieces of work of a fixed size, done by wrk and curl as they are; the same client for every variant."""

from __future__ import annotations

import resource
import subprocess
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from tests.lab.kit.node import Node

PARALLEL = 4
FIRST = {"requests": 40, "connections": 8}  # before the clock runs: connections are up, pages are mapped
_SCRIPT = Path(__file__).with_name("fixed.lua")
PATIENCE_S = 120.0
_CURL = "%{time_starttransfer} %{time_total} %{size_download} %{http_code}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How long it took; the client's CPU seconds in that time, as far as it can tell; what nginx must have served."""

    seconds: float
    client: float
    served: int


class LoadError(Exception):
    """The client did not do its work."""


def work(node: Node, load: str, base: str, amount: int, patience: float = PATIENCE_S) -> Done:
    """From this node, in `patience` seconds; `amount` is in requests, connections or bytes. Raises LoadError."""
    whole = ceil(patience)
    return _bulk(node, base, amount, whole) if load == "bulk" else _small(node, load, base, amount, whole)


def _small(node: Node, load: str, base: str, amount: int, patience: int) -> Done:
    close = ["close"] if load == "connections" else []
    first = FIRST[load]
    options = ["-t1", f"-c{PARALLEL}", f"-d{patience}", "-s", str(_SCRIPT)]
    said = _run(node, ["wrk", *options, f"{base}/small", "--", str(first), str(amount), *close], patience)
    fixed = [line.split()[1:] for line in said.splitlines() if line.startswith("fixed ")]
    if not fixed:
        raise LoadError(f"wrk did not do {amount} {load} at '{base}' in {patience} s: {said}")
    return Done(seconds=float(fixed[0][0]), client=float(fixed[0][1]), served=first + amount)


def _bulk(node: Node, base: str, amount: int, patience: int) -> Done:
    options = ["-skS", "--max-time", str(patience), "-o", "/dev/null", "-w", _CURL, "-r", f"0-{amount - 1}"]
    first, total, size, code = _run(node, ["curl", *options, f"{base}/big"], patience).split()
    if (int(size), code) != (amount, "206"):
        raise LoadError(f"curl got {size} bytes of {amount} from '{base}', status {code}")
    return Done(seconds=float(total) - float(first), client=0, served=1)


def start_up(node: Node) -> float:
    """CPU seconds that it takes to start the client of the bulk stream in a node, which are none of the stream's."""
    before = children()
    _run(node, ["curl", "--version"])
    return children() - before


def children() -> float:
    """CPU seconds of all ended children of this process."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _run(node: Node, words: list[str], patience: float = PATIENCE_S) -> str:
    try:
        return node.run(words, timeout=patience + 10)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise LoadError(f"'{words[0]}' failed: {error}") from error
