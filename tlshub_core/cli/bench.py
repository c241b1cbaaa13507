# SPDX-License-Identifier: Apache-2.0
"""'bench': what capture costs on these machines, beside plain TCP and other ways to TLS."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import click

from tlshub_core.cli.bench_options import PORT, run_options
from tlshub_core.cli.common import json_option, print_json, print_rows

_RESULT = click.Path(path_type=Path)


class Default(click.Group):
    """Options without a command are those of 'run'."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The arguments, with the command that is meant."""
        named = args and (args[0] in self.commands or args[0] in ctx.help_option_names)
        return super().parse_args(ctx, args if named else ["run", *args])


@click.group("bench", cls=Default, short_help="Compare ways to carry the same bytes.")
def command() -> None:
    """Compare plain TCP with what this machine has to encrypt it. Without a command: 'run', see 'bench run --help'."""


@command.command("run")
@run_options
def run(**options: Any) -> None:
    """Measure, against '--target', where 'bench serve' runs; without it, both ends are here, on loopback.

    Variants: plain, userspace-tls (TLS in the programs), stunnel (a pair of proxies), ktls:PROVIDER for each key
    provider that is installed (through the running agents, which need a rule for the second of the server's ports), or
    ktls:local where both ends are here. Those that cannot be measured are named, with the reason.
    """
    from tlshub_core.cli.bench_run import measure  # everything else that is heavy

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that its processes and files go with it
    measure(options)


@command.command("serve")
@click.argument("address")
@click.option("--port", type=click.IntRange(0, 65532), default=PORT, show_default=True, help="Of four; 0: any.")
@click.option("--workers", type=click.IntRange(1, 256), default=16, show_default=True, help="Connections at a time.")
def serve(address: str, port: int, workers: int) -> None:
    """Serve 'bench run' of another machine on ADDRESS, until SIGTERM or SIGINT.

    Four ports: plain, captured (which rules of the agents are for), TLS, stunnel. Whoever can reach them is served.
    """
    from tlshub_core.benching import server

    ends = (signal.SIGTERM, signal.SIGINT)
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # none is missed that comes before it is waited for
    with server.serving(address, port, workers) as offer:
        pair = f"stunnel {offer.stunnel}" if offer.stunnel else "no stunnel, which is not installed"
        ports = f"plain {offer.plain}, captured {offer.captured}, TLS {offer.tls}, {pair}"
        click.echo(f"serving on '{address}', {workers} connections at a time: {ports}")
        signal.sigwait(ends)


@command.command("compare")
@click.argument("before", type=_RESULT)
@click.argument("after", type=_RESULT)
@click.option("--least", type=click.FloatRange(0, 1), default=0.0, help="Changes by less count as none: 0.05 is 5 %.")
@json_option
@click.pass_context
def compare(ctx: click.Context, before: Path, after: Path, least: float, as_json: bool) -> None:
    """Say what of the result AFTER differs from BEFORE by more than noise, both written by '--json FILE'.

    Exit status: 0 nothing is worse, 1 something is, 2 a file is not what it should be.
    """
    from tlshub_core.benching import files
    from tlshub_core.benching.compare import WORSE, changes, comparable, same_machine
    from tlshub_core.cli import bench_tables

    old, new = files.load(before), files.load(after)
    comparable(old, new, (before, after))
    found, absolute = list(changes(old, new, least)), same_machine(old, new)
    if as_json:
        print_json([bench_tables.change(one) for one in found])
    else:
        print_rows(bench_tables.COLUMNS, [bench_tables.cells(one, absolute) for one in found])
        click.echo(bench_tables.verdict(found, absolute))
    ctx.exit(int(any(one.verdict == WORSE for one in found)))
