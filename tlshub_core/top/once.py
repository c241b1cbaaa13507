# SPDX-License-Identifier: Apache-2.0
"""The view once, for a pipe: all that there is, and nothing that a terminal has to know."""

from __future__ import annotations

import click

from tlshub_core.cli.common import print_rows
from tlshub_core.control.answers import TopAnswer
from tlshub_core.top.columns import COLUMNS, cells
from tlshub_core.top.head import WIDTH, head

_COLUMNS = tuple(column for column in COLUMNS if column.name != "bytes/s")  # takes two looks


def show(answer: TopAnswer) -> None:
    """Print it."""
    for name, text in head(answer, None):
        click.echo(f"{name:{WIDTH}}{text}")
    click.echo()
    print_rows([column.name for column in _COLUMNS], [cells(_COLUMNS, row, None) for row in answer.flows])
    if answer.total > len(answer.flows):
        click.echo(f"{len(answer.flows)} of {answer.total} connections: '--limit' shows more", err=True)
