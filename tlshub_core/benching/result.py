# SPDX-License-Identifier: Apache-2.0
"""What a session found, as its file has it; see docs/benchmarking.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tlshub_core.benching.intervals import Interval

MOST = 1e18  # what is within can be divided by each other without an overflow
FORMAT, VERSION = "tlshub-capture-bench", 1
REQUESTS, CONNECTIONS = "requests", "connections"
PLAIN = "plain"  # what all others are compared with
# How much of a trial's latencies a figure is not exceeded by: the least one, the median, and so on to the greatest.
SHARES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Where it was measured; `emulated`: in software (QEMU's TCG), so that ratios mean something and times do not.

    `agent` is what the connecting node's agent is, empty where none ran; `began` is UTC, as of RFC 3339.
    """

    release: str
    began: str
    kernel: str
    machine: str
    processor: str
    processors: int
    python: str
    tls_library: str
    emulated: bool
    agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What was asked for; `target` is empty where both ends were on this machine."""

    target: str
    sizes: tuple[int, ...]
    concurrency: tuple[int, ...]
    requests: int
    connections: int
    rounds: int
    warm_up: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A variant that was measured; `detail` is the TLS suite, where programs talked TLS."""

    name: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One piece of fixed work: `count` requests of `size` bytes in `seconds`, or as many connections.

    `quantiles_ns` are for the shares that the file names, in their order.
    """

    round: int
    variant: str
    load: str
    size: int
    concurrency: int
    count: int
    seconds: float
    mean_ns: float
    quantiles_ns: tuple[int, ...]

    def __post_init__(self) -> None:
        """Raises ValueError for figures that no trial can have."""
        if self.load not in (REQUESTS, CONNECTIONS):
            raise ValueError(f"field 'load' is '{self.load[:40]}', expected '{REQUESTS}' or '{CONNECTIONS}'")
        for name, least in (("round", 1), ("concurrency", 1), ("count", 1), ("seconds", 1e-9), ("mean_ns", 1)):
            if not least <= getattr(self, name) <= MOST:
                raise ValueError(f"field '{name}' is out of range: {least} to {MOST:g}")
        if self.size < 0:
            raise ValueError("field 'size' is below 0")
        if len(self.quantiles_ns) != len(SHARES) or list(self.quantiles_ns) != sorted(self.quantiles_ns):
            raise ValueError(f"field 'quantiles_ns' is not {len(SHARES)} figures in ascending order")
        if self.quantiles_ns[0] <= 0:
            raise ValueError("field 'quantiles_ns' has figures that are not above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A variant under a load: medians over the rounds, and medians of their ratios to plain in the same round."""

    variant: str
    load: str
    size: int
    concurrency: int
    figures: Mapping[str, Interval]
    ratios: Mapping[str, Interval]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The whole file; `skipped` has the variants that could not be measured, and why; `rows` follow from `trials`."""

    format: str
    version: int
    environment: Environment
    settings: Settings
    shares: tuple[float, ...]
    variants: tuple[Measured, ...]
    skipped: Mapping[str, str]
    trials: tuple[Trial, ...]
    rows: tuple[Row, ...]
