# SPDX-License-Identifier: Apache-2.0
"""'check': everything about a configuration that can be wrong, and the rules as the kernel will match them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from tlshub_core.backends import select
from tlshub_core.chosen import Chosen, choose
from tlshub_core.cli.common import config_argument, json_option, print_json, print_rows
from tlshub_core.config import Config, default_file, load
from tlshub_core.control.rules import rule_rows
from tlshub_core.pipeline.rules import compile_rules
from tlshub_core.plugins import Registry
from tlshub_core.types.capture import RuleSet
from tlshub_core.types.errors import Unavailable
from tlshub_core.types.spec import MappingSourceSpec

_COLUMNS = ("rule", "mode", "direction", "ports", "peer", "process", "passthrough")


@click.command("check", short_help="Check a configuration and its plugins.")
@config_argument
@json_option
def command(config: Path | None, as_json: bool) -> None:
    """Check a configuration file, the plugins it names and their tables; show the compiled rules."""
    loaded = load(config or default_file())
    registry = Registry()
    chosen = choose(loaded, registry)
    rules, backend = asyncio.run(compiled(loaded, chosen.mapping)), asyncio.run(_backend(loaded, chosen, registry))
    rows = [tuple(getattr(row, name) for name in _COLUMNS) for row in rule_rows(rules, lambda _: "")]
    if as_json:
        print_json(
            {
                **_summary(loaded, chosen),
                "backend_here": backend,
                "rules": [dict(zip(_COLUMNS, row, strict=True)) for row in rows],
            }
        )
        return
    for notice in (*loaded.notices, *chosen.notices):
        click.echo(f"note: {notice}", err=True)
    print_rows(_COLUMNS, rows)
    click.echo(f"'{loaded.file}' is in order: {len(rules.names)} rules, {len(rows)} rows")
    click.echo(backend)


async def _backend(config: Config, chosen: Chosen, registry: Registry) -> str:
    """What the agent would take on this machine, which need not be the one that the configuration is for."""
    said = list[str]()
    try:
        await select(config, chosen, registry, said.append)
    except Unavailable as error:
        return f"on this machine, as this user, {error}"
    return f"on this machine, as this user: {said[0][0].lower()}{said[0][1:]}"


async def compiled(config: Config, source: MappingSourceSpec | None) -> RuleSet:
    """The rules as the kernel gets them, pods as the mapping has them now."""
    if source is None:
        return compile_rules(config, None)
    mapping = config.make(source)
    await mapping.start()
    try:
        return compile_rules(config, mapping)
    finally:
        await mapping.stop()


def _summary(config: Config, chosen: Chosen) -> dict[str, object]:
    return {
        "file": str(config.file),
        "node": config.peering.node,
        "providers": tuple(chosen.providers),
        "backend": config.capture.backend,
        "mapping": config.mapping.source,
        "sinks": config.events.sinks,
        "notices": (*config.notices, *chosen.notices),
    }
