# SPDX-License-Identifier: Apache-2.0
"""'completion': what a shell reads to complete this command's words, by click."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

PROGRAM = "tlshub-capture"
SHELLS = ("bash", "fish", "zsh")  # those that click knows


@click.command("completion", short_help="Print what has a shell complete this command's words.")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print what has SHELL complete commands and options.

    For bash 4.4 or later, in ~/.bashrc: eval "$(tlshub-capture completion bash)". For zsh the same, in ~/.zshrc. For
    fish as the file ~/.config/fish/completions/tlshub-capture.fish.
    """
    found = get_completion_class(shell)
    assert found is not None, "one of `SHELLS`"
    variable = f"_{PROGRAM}_COMPLETE".replace("-", "_").upper()
    click.echo(found(ctx.find_root().command, {}, PROGRAM, variable).source())
