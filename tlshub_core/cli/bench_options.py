# SPDX-License-Identifier: Apache-2.0
"""The options of 'bench run'."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from tlshub_core.benching.frames import LARGEST
from tlshub_core.cli.common import F

PORT = 7800

_PATH = click.Path(path_type=Path)
_FILE = click.Path(dir_okay=False, writable=True, path_type=Path)


def numbers(least: int, most: int) -> Callable[[click.Context, click.Parameter, str], tuple[int, ...]]:
    """Reads whole numbers, separated by commas, each within bounds and there once."""

    def read(_ctx: click.Context, _parameter: click.Parameter, value: str) -> tuple[int, ...]:
        words = value.split(",")
        if not all(word.isascii() and word.isdigit() and len(word) < 20 for word in words):
            raise click.BadParameter(f"'{value}' is not a list of numbers such as '64,1024'")
        found = tuple(map(int, words))
        if len(set(found)) < len(found) or not all(least <= one <= most for one in found):
            raise click.BadParameter(f"'{value}': each number is to be from {least} to {most}, and there once")
        return found

    return read


_OPTIONS = (
    click.option("--target", metavar="HOST", default="", help="Where 'bench serve' runs; here, if it is left out."),
    click.option(
        "--port",
        type=click.IntRange(0, 65532),
        default=PORT,
        show_default=True,
        help="The server's first; 0: any, on loopback.",
    ),
    click.option("--variants", metavar="NAME,...", default="", help="Only these; plain is always measured."),
    click.option(
        "--sizes", callback=numbers(1, LARGEST), default="64,1024,16384,262144", show_default=True, help="Bytes."
    ),
    click.option(
        "--concurrency", callback=numbers(1, 256), default="1,4", show_default=True, help="Connections at a time."
    ),
    click.option("--requests", type=click.IntRange(1, 10**7), default=400, show_default=True, help="Of each trial."),
    click.option("--connections", type=click.IntRange(1, 10**6), default=60, show_default=True, help="Of each trial."),
    click.option("--rounds", type=click.IntRange(1, 1000), default=7, show_default=True, help="Six or more for 95 %."),
    click.option("--warm-up", type=click.IntRange(0, 10**6), default=20, show_default=True, help="Requests before."),
    click.option("--socket", type=_PATH, default=None, help="This node's agent, if not the default's control socket."),
    click.option("--other-socket", "others", type=_PATH, multiple=True, help="Agents to switch before it."),
    click.option("--emulated/--not-emulated", "emulated", default=None, help="What the processor is, if it hides it."),
    click.option("--json", "json_file", type=_FILE, default=None, help="Write the result, for 'bench compare'."),
    click.option("--csv", "csv_file", type=_FILE, default=None, help="Write the rows of the table, in full."),
    click.option("--html", "html_file", type=_FILE, default=None, help="Write a report with charts, one file."),
)


def run_options(function: F) -> F:
    """All of them."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function
