# SPDX-License-Identifier: Apache-2.0
"""'top': a running agent and its connections, as they change."""

from __future__ import annotations

import errno
import os
import signal
import sys
from functools import partial
from pathlib import Path

import click

from tlshub_core.cli.common import agent_at, config_option, json_option, socket_option
from tlshub_core.cli.ctl import tell
from tlshub_core.control import requests
from tlshub_core.control.answers import TopAnswer

ROWS = 50


@click.command("top", short_help="Watch a running agent and its connections.")
@socket_option
@config_option
@click.option("--interval", type=click.FloatRange(0.2, 3600), default=2.0, show_default=True, help="Seconds.")
@click.option("--sort", type=click.Choice(requests.ORDERS), default=requests.ORDERS[0], show_default=True)
@click.option("--filter", "text", default="", help="Only connections of which something contains this text.")
@click.option("--once", is_flag=True, help="Print it once and end, as it does where stdout or stdin is no terminal.")
@click.option("--limit", type=click.IntRange(1, requests.MAX_TOP), default=ROWS, show_default=True, help="With --once.")
@json_option
def command(
    socket: Path | None,
    config: Path | None,
    interval: float,
    sort: str,
    text: str,
    once: bool,
    limit: int,
    as_json: bool,
) -> None:
    """Watch a running agent: its connections, what becomes of them per second, what it needs itself.

    Keys: q quits, s sorts by something else, p pauses, / filters.
    """
    try:
        request = requests.Top(limit=limit, order=sort, text=text)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if once or as_json or not _on_a_terminal():
        from tlshub_core.top.once import show

        tell(partial(agent_at, socket, config), request, TopAnswer, as_json, show, "flows")
    else:
        _live(agent_at(socket, config), request, interval)


def _on_a_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")


def _live(path: Path, request: requests.Top, interval: float) -> None:
    from tlshub_core.top.session import watch  # with what draws it

    try:
        number = watch(path, request, interval)
    except (EOFError, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.EIO:
            raise
        click.get_current_context().exit(1)  # the terminal is gone, and with it whoever could be told
    if number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
