# SPDX-License-Identifier: Apache-2.0
"""'run': the agent, in the foreground, until SIGTERM or SIGINT."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

import click

from tlshub_core.cli.common import config_argument
from tlshub_core.config import Config, default_file, load, rule_from_option
from tlshub_core.control.answers import ReportAnswer
from tlshub_core.log_lines import log_to_stderr


@click.command("run", short_help="Capture connections until told to stop.")
@config_argument
@click.option("--rule", "rules", multiple=True, metavar="PORT[,PORT]:MODE", help="A rule before those of the file.")
@click.option("--backend", default="", help="Capture backend, instead of the file's.")
@click.option("--provider", default="", help="Key provider, instead of the file's.")
@click.option("-v", "--verbose", is_flag=True, help="Log in detail.")
@click.pass_context
def command(
    ctx: click.Context, config: Path | None, rules: tuple[str, ...], backend: str, provider: str, verbose: bool
) -> None:
    """Capture connections as the configuration says; needs root, or the capabilities that 'doctor' names."""
    first = [rule_from_option(text) for text in rules]
    again = partial(load, config or default_file(), provider=provider, backend=backend, rules=first)
    loaded = again()
    _log(loaded, verbose)
    from tlshub_core.service import run  # the whole agent: not for a call that was wrong

    ctx.exit(run(loaded, again, _show))


def _show(answer: ReportAnswer) -> None:
    from tlshub_core.cli.report_table import show  # when it is over: nobody waits for its start

    show(answer)


def _log(config: Config, verbose: bool) -> None:
    level = "DEBUG" if verbose else config.debug.log_level.upper()
    log_to_stderr(level)
    for notice in config.notices:
        logging.getLogger("tlshub.run").warning(notice)
