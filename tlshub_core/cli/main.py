# SPDX-License-Identifier: Apache-2.0
"""The command 'tlshub-capture'. Exit status: 0 done, 1 it failed, 2 the call or the configuration is wrong."""

from __future__ import annotations

from importlib import import_module

import click

from tlshub_core import __version__
from tlshub_core.events.human import printable
from tlshub_core.types.errors import ConfigError, TlshubError

COMMANDS = ("bench", "check", "completion", "ctl", "detach", "doctor", "pki", "plugins", "pods", "run", "top", "verify")


class Lazy(click.Group):
    """Imports a command's module when it is called, and turns the core's errors into messages and exit status."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, in alphabetical order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"tlshub_core.cli.{cmd_name}").command
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except TlshubError as error:
            for line in str(error).split("\n"):
                click.echo(f"error: {printable(line)}", err=True)
            ctx.exit(2 if isinstance(error, ConfigError) else 1)


@click.command(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tlshub-capture")
def main() -> None:
    """Turn applications' plain TCP into kernel TLS, with no change to the applications."""
