# SPDX-License-Identifier: Apache-2.0
"""'plugins': what is installed, and what is wrong with what cannot be used."""

from __future__ import annotations

import dataclasses

import click

from tlshub_core.cli.common import json_option, print_json, print_rows
from tlshub_core.inventory import Installed, inventory
from tlshub_core.plugins import Registry


@click.command("plugins", short_help="List the installed plugins.")
@json_option
def command(as_json: bool) -> None:
    """List the installed plugins; faulty ones with what to do."""
    rows = inventory(Registry())
    if as_json:
        print_json([dataclasses.asdict(row) for row in rows])
        return
    columns = ("name", "kind", "state", "distribution", "library", "summary")
    print_rows(columns, [(row.name, row.kind or "?", row.state, _owner(row), row.library, row.summary) for row in rows])
    for message in dict.fromkeys(row.message for row in rows if row.message):
        click.echo(f"warning: {message}", err=True)


def _owner(row: Installed) -> str:
    return f"{row.distribution} {row.version}"
