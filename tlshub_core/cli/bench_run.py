# SPDX-License-Identifier: Apache-2.0
"""What 'bench run' does with its options: measure with progress, print, write files."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import click

from tlshub_core.benching import files, table
from tlshub_core.benching.agents import Agents
from tlshub_core.benching.report import html
from tlshub_core.benching.result import PLAIN, Result, Settings
from tlshub_core.benching.session import Plan, Tell, measured
from tlshub_core.benching.variants import known
from tlshub_core.cli.common import print_rows
from tlshub_core.config import Control
from tlshub_core.events.human import printable
from tlshub_core.plugins import Registry
from tlshub_core.wording import suggestion

_WRITERS = {"json_file": files.encode, "csv_file": files.as_csv, "html_file": html}


def measure(options: Mapping[str, Any]) -> None:
    """Raises click.UsageError for options that contradict each other."""
    plan = _plan(options)
    with _progress() as tell:
        result = measured(plan, tell)
    show(result)
    for name, text in _WRITERS.items():
        if path := options[name]:
            files.save(path, text(result))
            click.echo(f"written: '{path}'", err=True)


def show(result: Result) -> None:
    """The table on stdout, what has to be known of it on stderr."""
    print_rows(table.COLUMNS, list(table.cells(result)))
    for note in table.notes(result):
        click.echo(f"note: {printable(note)}", err=True)


def _plan(options: Mapping[str, Any]) -> Plan:
    target = options["target"]
    settings = Settings(target=target, **{name: options[name] for name in Settings.__slots__ if name != "target"})
    for path in filter(None, map(options.get, _WRITERS)):
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise click.UsageError(f"'{path}' could not be written in the end: see its folder")
    for name in ("requests", "connections"):
        if options[name] < max(settings.concurrency):
            raise click.UsageError(f"'--{name}' is less than '--concurrency': somebody would have nothing to do")
    agents = Agents(own=options["socket"] or Control().socket, others=options["others"])
    names = _names(options["variants"], known(Registry()))
    return Plan(names=names, settings=settings, agents=agents, port=options["port"], emulated=options["emulated"])


def _names(wanted: str, known_ones: tuple[str, ...]) -> tuple[str, ...]:
    if not wanted:
        return known_ones
    asked = {PLAIN, *wanted.split(",")}
    for name in sorted(asked - {*known_ones}):
        raise click.UsageError(f"unknown variant '{name}'{suggestion(name, known_ones)}")
    return tuple(name for name in known_ones if name in asked)


@contextmanager
def _progress() -> Iterator[Tell]:
    """A bar on stderr where that is a terminal, else a line for each round; no thread draws it, see `server`."""
    if not sys.stderr.isatty():
        told: set[str] = set()
        yield partial(_line, told)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), auto_refresh=False, transient=True) as progress:
        task = progress.add_task("starting", total=None)

        def tell(what: str, done: int, total: int) -> None:
            progress.update(task, description=what, completed=done, total=total, refresh=True)

        yield tell


def _line(told: set[str], what: str, _done: int, _total: int) -> None:
    first = what.partition(":")[0]
    if first not in told:
        click.echo(f"bench: {first}", err=True)
        told.add(first)
