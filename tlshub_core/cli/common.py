# SPDX-License-Identifier: Apache-2.0
"""What the commands share: the configuration's argument, and output as JSON, as a table, or as plain columns."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from tlshub_core.events.human import printable

F = TypeVar("F", bound=Callable[..., Any])

_FILE = click.Path(path_type=Path)


def config_argument(function: F) -> F:
    """The optional argument CONFIG; None stands for the default files."""
    return click.argument("config", required=False, type=_FILE)(function)


def config_option(function: F) -> F:
    """The option '--config', for commands that have another argument."""
    return click.option("--config", type=_FILE, help="Configuration file.")(function)


def socket_option(function: F) -> F:
    """The option '--socket', for commands that speak to a running agent."""
    text = "Control socket, instead of the configuration's."
    return click.option("--socket", type=_FILE, help=text)(function)


def agent_at(socket: Path | None, config: Path | None) -> Path:
    """The control socket that was named, or the configuration's; raises ConfigError."""
    if socket is not None:
        return socket
    from tlshub_core.cli.ctl_socket import socket_of  # reading a configuration takes longer than all the rest

    return socket_of(config)


def json_option(function: F) -> F:
    """The option '--json'."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(function)


def print_json(value: object) -> None:
    """One JSON document on stdout."""
    click.echo(json.dumps(value, indent=2))


def print_rows(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table for a terminal, plain columns for a pipe; a cell may hold what a stranger chose, such as a name."""
    rows = [[printable(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _print_table(columns, rows)
        return
    widths = [max(len(row[at]) for row in [columns, *rows]) for at in range(len(columns))]
    for row in [columns, *rows]:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)
