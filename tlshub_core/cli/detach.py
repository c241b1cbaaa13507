# SPDX-License-Identifier: Apache-2.0
"""'detach': what agents left in the kernel, ended."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import click

from tlshub_core.cli.common import config_argument, json_option, print_json, print_rows
from tlshub_core.config import Config, default_file, load


@click.command("detach", short_help="End what a stopped agent goes on holding.")
@config_argument
@json_option
def command(config: Path | None, as_json: bool) -> None:
    """Remove the programs that agents of this configuration left pinned, while none runs; then nothing is captured.

    Connections that are held are refused, or under 'prefer' released; those that are secured go on.
    """
    loaded = load(config or default_file())
    found = asyncio.run(_detach(loaded))
    if as_json:
        print_json(found)
    elif not found["programs"]:
        click.echo(f"nothing was pinned in '{loaded.capture.pins}'")
    else:
        print_rows(("what", "count", "now"), _rows(found))


async def _detach(config: Config) -> dict[str, object]:
    from tlshub_core.backends import candidates, settings  # half the agent: not for a call that was wrong
    from tlshub_core.chosen import choose
    from tlshub_core.detaching import Detached, detach
    from tlshub_core.plugins import Registry

    found, registry = Detached(), Registry()
    for spec in candidates(choose(config, registry), registry):
        found = await detach(config.make(spec), settings(config))
        if found.programs:
            break
    return dataclasses.asdict(found)


def _rows(found: dict[str, object]) -> list[tuple[str, str, str]]:
    programs = found["programs"]
    assert isinstance(programs, tuple)
    return [
        ("programs", str(len(programs)), "removed"),
        ("connections held", str(found["refused"]), "refused"),
        ("connections held", str(found["released"]), "in clear"),
        ("connections secured", str(found["secured"]), "secured: the keys are in their sockets"),
        ("connections in clear", str(found["clear"]), "in clear"),
    ]
