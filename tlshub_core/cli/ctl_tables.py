# SPDX-License-Identifier: Apache-2.0
"""Answers of an agent, for people."""

from __future__ import annotations

from collections.abc import Sequence

import click

from tlshub_core.cli.common import print_rows
from tlshub_core.control.answers import (
    BypassAnswer,
    FlowsAnswer,
    ProvidersAnswer,
    ReloadAnswer,
    RulesAnswer,
    StatusAnswer,
)
from tlshub_core.control.rows import ProviderRow
from tlshub_core.events.human import duration, printable

_FLOWS = ("id", "side", "client", "server", "pid", "comm", "state", "rule", "provider", "cipher", "age", "held")
_RULES = ("rule", "mode", "direction", "ports", "peer", "process", "passthrough", "provider")


def status(answer: StatusAnswer) -> None:
    """A paragraph, then what there are several of, as tables."""
    totals = answer.totals
    flows = ", ".join(f"{count} {state}" for state, count in sorted(answer.flows.items())) or "none"
    lines = (
        ("agent", f"{answer.release}, process {answer.pid}, node '{answer.node}', up {_seconds(answer.uptime_s)}"),
        ("configuration", answer.configuration),
        ("capture", f"backend '{answer.backend}', {len(answer.programs)} programs: {', '.join(answer.programs)}"),
        ("rules", f"{answer.rules} rules, {answer.rows} rows"),
        ("mapping", "none" if answer.mapping is None else f"{answer.mapping} entries"),
        ("connections", flows),
        ("since the start", f"{totals.secured} secured, {totals.released_clear} in clear, {totals.refused} refused"),
        ("unwatched", f"{totals.unattended_clear} in clear, {totals.unattended_refused} refused"),
        ("events lost", f"{totals.lost_in_kernel} in the kernel, {totals.lost_in_sinks} on their way to sinks"),
        ("bypass", _bypass(answer.bypass)),
    )
    for name, text in lines:
        click.echo(f"{name + ':':17}{printable(text)}")
    for notice in answer.notices:
        click.echo(f"note: {printable(notice)}")
    click.echo()
    _providers(answer.providers)
    if answer.sessions:
        click.echo()
        _sessions(answer)


def flows(answer: FlowsAnswer) -> None:
    """A line each; of its id, by which events name it too, as much as tells it from the others."""
    rows = [
        (
            row.id[:8],
            row.side,
            row.client,
            row.server,
            str(row.pid or "?"),
            row.comm or "?",
            row.state,
            row.rule,
            row.provider or "-",
            row.cipher or "-",
            _milliseconds(row.age_ms),
            _milliseconds(row.hold_ms),
        )
        for row in answer.flows
    ]
    print_rows(_FLOWS, rows)
    if answer.total > len(rows):
        click.echo(f"{len(rows)} of {answer.total} connections: '--all' shows the rest", err=True)


def rules(answer: RulesAnswer) -> None:
    """A line for each row, and what is to be known about all of them."""
    print_rows(_RULES, [tuple(getattr(row, name) or "-" for name in _RULES) for row in answer.rules])
    if answer.implied:
        click.echo("note: the configuration is a file of the original tool, which implies the rule 'implied'", err=True)
    if answer.bypass.on:
        click.echo(f"note: these rules wait: bypass is {_bypass(answer.bypass)}", err=True)


def reloaded(answer: ReloadAnswer) -> None:
    """What there is now."""
    mapping = "no mapping" if answer.mapping is None else f"{answer.mapping} entries of the mapping"
    click.echo(f"reloaded: {answer.rules} rules, {answer.rows} rows, {mapping}")
    if answer.bypass.on:
        click.echo(f"note: the rules wait: bypass is {_bypass(answer.bypass)}", err=True)


def bypass(answer: BypassAnswer) -> None:
    """On or off."""
    click.echo(f"bypass is {_bypass(answer)}")


def providers(answer: ProvidersAnswer) -> None:
    """A line each."""
    _providers(answer.providers)


def _providers(rows: Sequence[ProviderRow]) -> None:
    cells = [(row.name, _yes(row.default), _yes(row.allowed), row.summary) for row in rows]
    print_rows(("provider", "default", "peers may ask", "summary"), cells)


def _sessions(answer: StatusAnswer) -> None:
    cells = [
        (
            row.node,
            row.address,
            "this node" if row.dialler else "the other",
            _seconds(row.age_s),
            str(row.flows),
        )
        for row in answer.sessions
    ]
    print_rows(("session with", "address", "dialled by", "age", "connections"), cells)


def _bypass(answer: BypassAnswer) -> str:
    if not answer.on:
        return "off"
    left = "until it is switched off" if answer.left_s is None else f"for {_seconds(answer.left_s)} more"
    return f"ON: new connections are NOT encrypted, {left}"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _seconds(count: int) -> str:
    return duration(count * 1_000_000_000)


def _milliseconds(count: int) -> str:
    return duration(count * 1_000_000) if count else "-"
