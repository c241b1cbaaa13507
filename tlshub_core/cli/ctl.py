# SPDX-License-Identifier: Apache-2.0
"""'ctl': ask a running agent, and tell it what to do."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TypeVar

import click

from tlshub_core.cli import ctl_tables
from tlshub_core.cli.common import agent_at, config_option, json_option, print_json, socket_option
from tlshub_core.control import answers, requests
from tlshub_core.control.client import CommandError, ask
from tlshub_core.control.wire import Failure
from tlshub_core.types.errors import ConfigError, TlshubError

A = TypeVar("A", bound=answers.Answer)
MANY = 100
WARNING = (
    "new connections of this node will go in clear, whatever their rule says; "
    "where the other node's rule is 'require', it refuses them. Go on?"
)


@click.group("ctl", short_help="Ask a running agent, and tell it what to do.")
@socket_option
@config_option
@click.pass_context
def command(ctx: click.Context, socket: Path | None, config: Path | None) -> None:
    """Ask a running agent, and tell it what to do. With '--json' a command prints one JSON document, errors too."""
    ctx.obj = partial(agent_at, socket, config)


Where = Callable[[], Path]


@command.command("status")
@json_option
@click.pass_obj
def status(where: Where, as_json: bool) -> None:
    """How the agent is: providers, rules, sessions, connections, and whether a bypass is on."""
    tell(where, requests.Status(), answers.StatusAnswer, as_json, ctl_tables.status)


@command.command("flows")
@click.option("--state", type=click.Choice((requests.HELD, *requests.STATES)), default=None, help="Only those.")
@click.option("--limit", type=click.IntRange(1, requests.MAX_FLOWS), default=MANY, show_default=True)
@click.option("--all", "everything", is_flag=True, help="Without a limit.")
@json_option
@click.pass_obj
def flows(where: Where, state: str | None, limit: int, everything: bool, as_json: bool) -> None:
    """The connections of now, the latest first."""
    request = requests.Flows(state=state or "", limit=requests.MAX_FLOWS if everything else limit)
    tell(where, request, answers.FlowsAnswer, as_json, ctl_tables.flows, "flows")


@command.command("rules")
@json_option
@click.pass_obj
def rules(where: Where, as_json: bool) -> None:
    """The rules in force, as the kernel matches them: the first one decides."""
    tell(where, requests.Rules(), answers.RulesAnswer, as_json, ctl_tables.rules)


@command.command("reload")
@json_option
@click.pass_obj
def reload(where: Where, as_json: bool) -> None:
    """Read rules and mapping again; where something is wrong with them, say it, and keep the old ones."""
    tell(where, requests.Reload(), answers.ReloadAnswer, as_json, ctl_tables.reloaded)


@command.command("bypass")
@click.argument("switch", type=click.Choice(("on", "off")))
@click.option("--for", "minutes", type=click.IntRange(1, requests.MAX_MINUTES), help="Minutes, after which it ends.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def bypass(where: Where, switch: str, minutes: int | None, yes: bool, as_json: bool) -> None:
    """Leave new connections alone, or go by the rules again. An agent that is started anew goes by its rules."""
    if switch == "off" and minutes is not None:
        raise click.UsageError("'--for' says how long a bypass is on: leave it out with 'off'")
    if switch == "on" and not yes and sys.stdin.isatty():
        click.confirm(WARNING, abort=True, err=True)
    request = requests.Bypass(on=switch == "on", minutes=minutes or 0)
    tell(where, request, answers.BypassAnswer, as_json, ctl_tables.bypass)


@command.command("provider")
@click.argument("name", required=False)
@json_option
@click.pass_obj
def provider(where: Where, name: str | None, as_json: bool) -> None:
    """Have the key provider NAME serve new connections; without NAME, list those that run."""
    try:
        request = requests.Providers() if name is None else requests.Provider(name=name)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    tell(where, request, answers.ProvidersAnswer, as_json, ctl_tables.providers)


@command.command("report")
@json_option
@click.pass_obj
def report(where: Where, as_json: bool) -> None:
    """How connections that ended were: latency, negotiation, throughput; and what the agent uses."""
    from tlshub_core.cli import report_table

    tell(where, requests.Report(), answers.ReportAnswer, as_json, report_table.show)


def tell(
    where: Where, request: requests.Request, kind: type[A], as_json: bool, show: Callable[[A], None], table: str = ""
) -> None:
    """Ask, and print the answer as JSON or by `show`; `table` as for `ask`. Raises TlshubError, but not with JSON."""
    try:
        answer = ask(where(), request, kind, table)
    except TlshubError as error:
        if not as_json:
            raise
        failure = error.failure if isinstance(error, CommandError) else Failure.of(error)
        print_json({"version": requests.VERSION, "error": asdict(failure)})
        click.get_current_context().exit(2 if isinstance(error, ConfigError) else 1)
    if as_json:
        print_json({"version": requests.VERSION, **asdict(answer)})
    else:
        show(answer)
