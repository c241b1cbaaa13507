# SPDX-License-Identifier: Apache-2.0
"""The answers of commands that change nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping

from tlshub_core import __version__
from tlshub_core.control import requests
from tlshub_core.control.answers import (
    BypassAnswer,
    FlowsAnswer,
    ProvidersAnswer,
    ReportAnswer,
    RulesAnswer,
    StatusAnswer,
)
from tlshub_core.control.census import Census, counted
from tlshub_core.control.conversation import Send
from tlshub_core.control.flows import batches, chosen, row
from tlshub_core.control.parts import Parts
from tlshub_core.control.rows import ProviderRow, SessionRow, Totals
from tlshub_core.control.rules import rule_rows
from tlshub_core.reporting import figures
from tlshub_core.types import events

NS = 1_000_000_000


async def status(parts: Parts) -> StatusAnswer:
    """How the agent is; walks all connections."""
    return status_of(parts, await counted(parts.capture.connections()))


def status_of(parts: Parts, census: Census) -> StatusAnswer:
    """The same, where they were counted."""
    config, rules = parts.in_force.config, parts.ruling.rules
    return StatusAnswer(
        release=__version__,
        pid=os.getpid(),
        uptime_s=(time.monotonic_ns() - parts.ledger.started_ns) // NS,
        node=config.peering.node,
        configuration=str(config.file),
        backend=parts.backend,
        programs=parts.programs,
        providers=providers(parts).providers,
        rules=len(rules.names),
        rows=len(rules.matches),
        mapping=entries(parts),
        sessions=_sessions(parts, census.nodes),
        flows=census.states,
        totals=_totals(parts),
        bypass=bypass(parts),
        notices=(*config.notices, *parts.notices),
    )


async def flows(parts: Parts, request: requests.Flows, send: Send) -> FlowsAnswer:
    """The rows go through `send`, the latest first."""
    total = sent = 0
    async for batch in batches(reversed(parts.capture.connections())):
        found = [(one, state) for one in batch if (state := chosen(one, request.state))]
        rows = [row(one, state) for one, state in found[: request.limit - sent]]
        total, sent = total + len(found), sent + len(rows)
        if rows:
            await send(rows)
    return FlowsAnswer(total=total, flows=())


def rules(parts: Parts) -> RulesAnswer:
    """Those of the configuration, also while a bypass has them wait."""

    def provider(number: int) -> str:
        return parts.in_force.rule(number)[1] or parts.serving.default

    found = rule_rows(parts.ruling.rules, provider)
    return RulesAnswer(rules=found, implied=parts.in_force.config.implied, bypass=bypass(parts))


def providers(parts: Parts) -> ProvidersAnswer:
    """Those that run."""
    rows = (
        ProviderRow(name=one.name, summary=one.summary, default=one.default, allowed=one.allowed)
        for one in parts.providers.states()
    )
    return ProvidersAnswer(providers=tuple(rows))


def report(parts: Parts) -> ReportAnswer:
    """What those that ended were like."""
    return figures.report(parts.ledger.performance, len(parts.capture.connections()), parts.ledger.started_ns)


def bypass(parts: Parts) -> BypassAnswer:
    """Whether there is one, and for how long."""
    return BypassAnswer(on=parts.ruling.bypassed, left_s=parts.ruling.left_s)


def entries(parts: Parts) -> int | None:
    """How many the mapping has."""
    return len(parts.mapping.pods()) if parts.mapping else None


def _sessions(parts: Parts, nodes: Mapping[str, int]) -> tuple[SessionRow, ...]:
    now = time.monotonic_ns()
    return tuple(
        SessionRow(
            node=key.node,
            address=key.address,
            dialler=key.dialler,
            age_s=(now - since) // NS,
            flows=nodes.get(key.node, 0),
        )
        for key, since in parts.ledger.sessions()
    )


def _totals(parts: Parts) -> Totals:
    count = parts.ledger.count
    return Totals(
        secured=count(events.Secured),
        released_clear=count(events.ReleasedClear),
        refused=count(events.Refused),
        unattended_clear=parts.ledger.unattended[0],
        unattended_refused=parts.ledger.unattended[1],
        lost_in_kernel=parts.ledger.lost,
        lost_in_sinks=sum(one.failed + one.dropped for one in parts.sinks.counts()),
    )
