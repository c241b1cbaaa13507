# SPDX-License-Identifier: Apache-2.0
"""The report, for people: at the agent's exit, and of one that runs."""

from __future__ import annotations

from collections.abc import Sequence

import click

from tlshub_core.cli.common import print_rows
from tlshub_core.control.answers import ReportAnswer
from tlshub_core.control.rows import Figures
from tlshub_core.events.human import duration, size
from tlshub_core.reporting.files import COLUMNS, FIGURES, rows


def show(answer: ReportAnswer) -> None:
    """A line about all connections, then a row for each kind of them and metric."""
    click.echo(
        f"{answer.total_connections} connections in {duration(answer.uptime_s * 1_000_000_000)}: "
        f"{answer.successful_connections} secured, {answer.failed_connections} refused, "
        f"{answer.active_connections} go on; {size(answer.total_bytes_transferred)} moved by those that ended"
    )
    print_rows(COLUMNS, [_cells(which, figures) for which, figures in rows(answer)])


def _cells(which: Sequence[str], figures: Figures) -> tuple[str, ...]:
    return (*(text or "-" for text in which), *(_number(getattr(figures, name)) for name in FIGURES))


def _number(value: int | float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.3f}" if value < 100 else f"{value:.1f}"
