# SPDX-License-Identifier: Apache-2.0
"""The command line as click has it: every command that does something, with its words."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import click

PROGRAM = "tlshub-capture"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One; `usage` is its line, `texts` its help by paragraphs, `options` what is written and what it means."""

    usage: str
    texts: Sequence[str]
    options: Sequence[tuple[str, str]]


def commands(command: click.Command, name: str = PROGRAM, parent: click.Context | None = None) -> Iterator[Command]:
    """A command and all below it, in the order of '--help'."""
    context = click.Context(command, info_name=name, parent=parent)
    yield _of(command, context)
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            assert found is not None, inner
            yield from commands(found, inner, context)


def undocumented(all_commands: Sequence[Command]) -> list[str]:
    """Those that say nothing of themselves, or of an option but what its name is."""
    return [one.usage for one in all_commands if not one.texts or not all(help for _, help in one.options)]


def _of(command: click.Command, context: click.Context) -> Command:
    usage = " ".join((context.command_path, *command.collect_usage_pieces(context)))
    texts = inspect.cleandoc(command.help or "").split("\n\n")
    options = (parameter for parameter in command.params if isinstance(parameter, click.Option))
    records = (option.get_help_record(context) for option in options)
    return Command(
        usage=usage,
        texts=[" ".join(text.split()) for text in texts if text],
        options=[record for record in records if record is not None],
    )
