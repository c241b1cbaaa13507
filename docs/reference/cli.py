# SPDX-License-Identifier: Apache-2.0
"""Prints the reference of the command line ('docs/reference/cli.md'), made of the commands themselves."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from commands import Command, commands, undocumented
from printing import printed

from tlshub_core.cli.main import main as program

INTRODUCTION = """\
# Reference of the command line

Made from the code by `make reference`; the same as a [manual page](../man/tlshub-capture.1), for `man -l`. Each command
has `--help`. Exit status: 0 done, 1 it failed, 2 the call or the configuration is wrong.
"""


def main() -> int:
    """Print it; 1 where something has no help, which is said."""
    found = list(commands(program))
    page = [INTRODUCTION, *(line for command in found for line in lines(command))]
    return printed(page, undocumented(found), "has no help, or an option of it has none: say what it is for")


def lines(command: Command) -> Iterator[str]:
    """One command."""
    yield f"## `{command.usage}`\n"
    yield from (f"{_escaped(text)}\n" for text in command.texts)
    yield from (f"* `{written}`: {_escaped(meaning)}" for written, meaning in command.options)
    if command.options:
        yield ""


def _escaped(text: str) -> str:
    """As Markdown shows it unchanged."""
    return "".join(f"\\{letter}" if letter in "\\`*_<" else letter for letter in text)


if __name__ == "__main__":
    sys.exit(main())
