# SPDX-License-Identifier: Apache-2.0
"""'pki': certificates for the nodes' agents."""

from __future__ import annotations

from pathlib import Path

import click

from tlshub_core.cli.common import json_option, print_json
from tlshub_core.types.errors import TlshubError
from tlshub_core.wording import lowered


@click.group("pki")
def command() -> None:
    """Make certificates for the nodes' agents."""


@command.command("init")
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option("--trust-domain", default="tlshub.local", show_default=True, help="As in '[peering]' on every node.")
@click.option("--node", "nodes", multiple=True, required=True, help="A node's name; may be given several times.")
@json_option
def init(directory: Path, trust_domain: str, nodes: tuple[str, ...], as_json: bool) -> None:
    """Make an authority in DIRECTORY, or use the one there, and a certificate for each node that has none."""
    from tlshub_core.peering import pki

    try:
        written = pki.init(directory, trust_domain, nodes)
    except OSError as error:
        raise TlshubError(f"'{directory}' cannot be written: {lowered(error.strerror or str(error))}") from error
    if as_json:
        print_json({"written": [str(path) for path in written]})
        return
    for path in written:
        click.echo(str(path))
    if not written:
        click.echo("nothing to do: all files are there", err=True)
