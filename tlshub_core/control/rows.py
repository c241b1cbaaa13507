# SPDX-License-Identifier: Apache-2.0
"""What answers over the control socket consist of; durations are in the unit that their names end with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderRow:
    """A key provider that runs; `default`: new connections get it; `allowed`: peers may ask for it."""

    name: str
    summary: str
    default: bool
    allowed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRow:
    """A session with another node's agent; `flows` are the connections of now with that node."""

    node: str
    address: str
    dialler: bool
    age_s: int
    flows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Since the agent started: connections by what became of them, and events that were lost.

    `unattended_clear`, `unattended_refused`: decided in the kernel, before the start or where events were lost.
    """

    secured: int
    released_clear: int
    refused: int
    unattended_clear: int
    unattended_refused: int
    lost_in_kernel: int
    lost_in_sinks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowRow:
    """A connection; `pid` is 0 where nobody is known to have it, `hold_ms` how long its owner waits or waited.

    `reason` is why it is in clear, or refused; empty where it is neither, or where nobody said.
    """

    id: str
    side: str
    client: str
    server: str
    peer: str
    pid: int
    comm: str
    state: str
    reason: str
    rule: str
    mode: str
    provider: str
    cipher: str
    age_ms: int
    hold_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleRow:
    """A row of the compiled rules, as the kernel matches it, in the order in which it does."""

    rule: str
    mode: str
    direction: str
    ports: str
    peer: str
    process: str
    passthrough: str
    provider: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleCount:
    """A rule that has connections now, and how many by their state."""

    rule: str
    mode: str
    flows: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a metric was like, in the unit that its name ends with; quantiles within 1 % of a value that was."""

    count: int
    min: float
    mean: float
    p50: float
    p95: float
    p99: float
    max: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRow:
    """Connections that ended: by `outcome` ('secured', 'clear', 'refused', 'observed', 'closed'), provider and side."""

    outcome: str
    provider: str
    side: str
    connections: int
    bytes: int
    metrics: Mapping[str, Figures]
