# SPDX-License-Identifier: Apache-2.0
"""'doctor': what this machine and this configuration lack, and what to do about it."""

from __future__ import annotations

from pathlib import Path

import click

from tlshub_core.cli.common import config_argument, json_option, print_json, print_rows
from tlshub_core.config import default_file
from tlshub_core.doctor import examine
from tlshub_core.doctor.check import Check
from tlshub_core.types.errors import ConfigError
from tlshub_core.types.interfaces import Level


@click.command("doctor", short_help="Say what this machine lacks, and the remedy.")
@config_argument
@json_option
@click.pass_context
def command(ctx: click.Context, config: Path | None, as_json: bool) -> None:
    """Check kernel, privileges and configuration; exit status 1 where something would keep the agent from working."""
    checks = examine(config or _default())
    if as_json:
        print_json([check.as_dict() for check in checks])
    else:
        _print(checks)
    ctx.exit(int(any(check.probe.level is Level.FAILED for check in checks)))


def _default() -> Path | None:
    try:
        return default_file()
    except ConfigError:
        return None  # the kernel can be examined without a configuration; `examine` says that there is none


def _print(checks: list[Check]) -> None:
    rows = [(check.probe.level.value, check.area, check.name, check.probe.message) for check in checks]
    print_rows(("level", "area", "check", "found"), rows)
    for check in checks:
        if check.probe.remedy:
            click.echo(f"{check.area} {check.name}: {check.probe.remedy}")
