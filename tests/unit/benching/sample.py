# SPDX-License-Identifier: Apache-2.0
"""A result as a session makes it, with figures that a test chooses."""

from __future__ import annotations

from random import Random

from tlshub_core.benching.result import (
    CONNECTIONS,
    FORMAT,
    REQUESTS,
    SHARES,
    VERSION,
    Environment,
    Measured,
    Result,
    Settings,
    Trial,
)
from tlshub_core.benching.summary import rows

SIZES, CONCURRENCY, ROUNDS = (64, 16384), (1, 4), 7
COSTS = {"plain": 1.0, "userspace-tls": 2.0, "stunnel": 4.0}
ENVIRONMENT = Environment(
    release="0.1.0", began="2026-01-01T00:00:00+00:00", kernel="6.1", machine="x86_64", processor="some <processor>",
    processors=2, python="3.11", tls_library="OpenSSL 3", emulated=False, agent="",
)  # fmt: skip
SETTINGS = Settings(
    target="", sizes=SIZES, concurrency=CONCURRENCY, requests=400, connections=60, rounds=ROUNDS, warm_up=2
)


def trial(number: int, variant: str, load: str, size: int, concurrency: int, cost: float) -> Trial:
    """A trial whose latencies and duration are so much more than the least ones."""
    noise = Random(f"{number} {variant} {load} {size} {concurrency}").uniform(0.98, 1.02)
    median = 20_000 * cost * noise * (1 + size / 10_000)
    return Trial(
        round=number, variant=variant, load=load, size=size, concurrency=concurrency, count=400,
        seconds=400 * median / 1e9, mean_ns=median,
        quantiles_ns=tuple(round(median * (0.5 + share + 9 * share**30)) for share in SHARES),
    )  # fmt: skip


def result(costs: dict[str, float] = COSTS, rounds: int = ROUNDS) -> Result:
    """All variants under all loads."""
    loads = [(CONNECTIONS, 0), *((REQUESTS, size) for size in SIZES)]
    trials = tuple(
        trial(number, name, load, size, many, cost)
        for number in range(1, rounds + 1)
        for many in CONCURRENCY
        for load, size in loads
        for name, cost in costs.items()
    )
    return Result(
        format=FORMAT, version=VERSION, environment=ENVIRONMENT, settings=SETTINGS, shares=SHARES,
        variants=tuple(Measured(name=name, detail="") for name in costs), skipped={"ktls:x": "no agent"},
        trials=trials, rows=rows(trials),
    )  # fmt: skip
