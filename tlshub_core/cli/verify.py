# SPDX-License-Identifier: Apache-2.0
"""'verify': whether what crosses the wire is what the rules promise, judged from the packets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tlshub_core.cli.common import config_argument, json_option

_FILE = click.Path(path_type=Path, dir_okay=False)


def _ports(ctx: click.Context, param: click.Parameter, value: str) -> tuple[tuple[int, int], ...]:
    """As pairs, inclusive: '80,8000-8100' is ((80, 80), (8000, 8100))."""
    try:
        pairs = [[int(number) for number in part.split("-", 1)] for part in value.split(",") if value]
    except ValueError:
        raise click.BadParameter(f"'{value}' is no list of ports: write '80' or '80,8000-8100'") from None
    if not all(0 < pair[0] <= pair[-1] < 65536 for pair in pairs):
        raise click.BadParameter(f"'{value}' is out of range: ports are 1 to 65535, the lower one first")
    return tuple((pair[0], pair[-1]) for pair in pairs)


@click.command("verify", short_help="Judge from the packets whether all is encrypted.")
@config_argument
@click.option("-i", "--interface", default="", help="Watch this interface, until Ctrl-C.")
@click.option("--read", "file", type=_FILE, help="Read this capture (pcap, pcapng) instead.")
@click.option("--rule", default="", help="Only connections that this rule decides on.")
@click.option("--ports", default="", callback=_ports, metavar="P[-P],...", help="Only connections to these ports.")
@click.option("--seconds", type=click.FloatRange(0), default=0, help="Stop after that time.")
@click.option("--count", type=click.IntRange(0), default=0, help="Stop when so many connections are over.")
@click.option("--pcap", type=_FILE, help="Keep what is captured, in this new file.")
@click.option("--keys", type=_FILE, multiple=True, help="Open the records with this key log. May be repeated.")
@click.option("--clear", type=_FILE, help="Write what opened as a capture in clear, to this new file.")
@click.option("--events", type=_FILE, help="Events of the agent as JSON lines, to say why something is in clear.")
@click.option("--socket", type=_FILE, help="The agent's control socket, instead of the configuration's.")
@json_option
@click.pass_context
def command(ctx: click.Context, /, as_json: bool, **given: Any) -> None:
    """Say for each connection whether all its payload, from the first byte, was in TLS records, and else what was not.

    The rules of CONFIG, or of the default file, say what is judged. Without CONFIG, '--read' and '--ports' go by no
    rules. Exit status: 0, all of it was encrypted; 1, something was in clear, or whether it was is unknown; 2, called
    or configured wrongly.
    """
    if bool(given["interface"]) == bool(given["file"]):
        raise click.UsageError("name one of '--interface' and '--read'")
    if given["file"] and (given["seconds"] or given["count"] or given["pcap"]):
        raise click.UsageError("'--seconds', '--count' and '--pcap' are for '--interface'")
    if given["clear"] and not given["keys"]:
        raise click.UsageError("'--clear' needs '--keys'")
    for path in (given["file"], given["events"], *given["keys"]):
        if path and not path.exists():
            raise click.UsageError(f"'{path}' does not exist")
    from tlshub_core.cli.verify_run import Options, run  # not for a call that was wrong

    ctx.exit(run(Options(**given), as_json))
