# SPDX-License-Identifier: Apache-2.0
"""What an agent answers over its control socket; durations are in the unit that their names end with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tlshub_core.control.rows import (
    Figures,
    FlowRow,
    ProviderRow,
    ReportRow,
    RuleCount,
    RuleRow,
    SessionRow,
    Totals,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvidersAnswer:
    """All that run, in the order of their start."""

    providers: tuple[ProviderRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BypassAnswer:
    """Whether new connections are left alone; `left_s` until they are not, None where no end is set."""

    on: bool
    left_s: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusAnswer:
    """How the agent is; `rows` of rules are what the kernel matches, `mapping` None where there is none."""

    release: str
    pid: int
    uptime_s: int
    node: str
    configuration: str
    backend: str
    programs: tuple[str, ...]
    providers: tuple[ProviderRow, ...]
    rules: int
    rows: int
    mapping: int | None
    sessions: tuple[SessionRow, ...]
    flows: Mapping[str, int]
    totals: Totals
    bypass: BypassAnswer
    notices: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowsAnswer:
    """The rows that were sent before; `total` is how many there were to choose from."""

    total: int
    flows: tuple[FlowRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesAnswer:
    """First match wins; with `implied` the last rule is what a file of the original tool stands for.

    While `bypass` is on, none of them is in force for new connections.
    """

    rules: tuple[RuleRow, ...]
    implied: bool
    bypass: BypassAnswer


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadAnswer:
    """What is in force now."""

    rules: int
    rows: int
    mapping: int | None
    bypass: BypassAnswer


@dataclass(frozen=True, slots=True, kw_only=True)
class TopAnswer:
    """All that a live view shows, at most as many rows of each table as were asked for.

    `status` has the sessions with the most connections, out of `sessions`; `connections` began since the start, and
    `refused` and `released_clear` say why; `cpu_ms` and `resident_bytes` are the agent's own process's; `rules` are
    those with the most connections; `total` is how many there were to choose `flows` from.
    """

    status: StatusAnswer
    sessions: int
    uptime_ms: int
    connections: int
    refused: Mapping[str, int]
    released_clear: Mapping[str, int]
    cpu_ms: int
    resident_bytes: int
    rules: tuple[RuleCount, ...]
    total: int
    flows: tuple[FlowRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportAnswer:
    """Since the agent started: metrics of connections that ended, in `all` and by kind, and of the `agent` itself.

    A metric without a single value is left out.
    """

    uptime_s: int
    total_connections: int
    successful_connections: int
    failed_connections: int
    active_connections: int
    total_bytes_transferred: int
    all: Mapping[str, Figures]
    groups: tuple[ReportRow, ...]
    agent: Mapping[str, Figures]


Answer = (
    StatusAnswer | TopAnswer | FlowsAnswer | RulesAnswer | ReloadAnswer | BypassAnswer | ProvidersAnswer | ReportAnswer
)
