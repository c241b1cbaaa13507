# SPDX-License-Identifier: Apache-2.0
"""Prints the manual page ('docs/man/tlshub-capture.1', see man(7)), made of the commands themselves."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator

from commands import PROGRAM, Command, commands

from tlshub_core import __version__
from tlshub_core.cli.main import main as program
from tlshub_core.config import Control
from tlshub_core.config.reader import DEFAULT_FILES

DATE = "2026-11-23"  # of the release: a page that is made again is the same
STATUS = (("0", "It is done."), ("1", "It failed."), ("2", "The call or the configuration is wrong."))
_ESCAPES = str.maketrans(
    {"\\": "\\e", "-": "\\-", "'": "\\(aq", '"': "\\(dq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti"}
)
_LICENCE = '.\\" SPDX-License-Identifier: Apache-2.0\n.\\" Made by "make reference".'


def main() -> int:
    """Print it."""
    print("\n".join(lines()))
    return 0


def lines() -> Iterator[str]:
    """The page."""
    whole, *others = commands(program)
    summary = whole.texts[0].removesuffix(".")
    yield f'{_LICENCE}\n.TH {PROGRAM.upper()} 1 {DATE} "{PROGRAM} {__version__}"'
    yield f".SH NAME\n{_filled(f'{PROGRAM} - {summary[0].lower()}{summary[1:]}')}"
    yield f".SH SYNOPSIS\n.B {_text(PROGRAM)}\n{_text(whole.usage.removeprefix(PROGRAM).strip())}"
    yield ".SH DESCRIPTION"
    yield from _paragraphs(whole)
    yield ".SH OPTIONS"
    yield from (tagged(written, meaning) for written, meaning in whole.options)
    yield tagged("-h, --help", "Of every command, too.")
    yield ".SH COMMANDS"
    for command in others:
        yield from _command(command)
    yield ".SH EXIT STATUS"
    yield from (tagged(number, meaning) for number, meaning in STATUS)
    yield ".SH FILES"
    yield from (tagged(str(path), meaning) for path, meaning in _files())
    yield ".SH SEE ALSO\n.BR ss (8),\n.BR bpftool (8)"


def _files() -> Iterator[tuple[object, str]]:
    toml, legacy = DEFAULT_FILES
    yield toml, "The configuration, where a command names no other."
    yield legacy, "That of the original tool, read where there is no other."
    yield Control().socket, "The control socket of a running agent."


def _command(command: Command) -> Iterator[str]:
    words = command.usage.removeprefix(PROGRAM).strip()
    yield f".SS {_text(words)}"
    yield from _paragraphs(command)
    yield from (tagged(written, meaning) for written, meaning in command.options)


def _paragraphs(command: Command) -> Iterator[str]:
    first, *others = (_filled(text) for text in command.texts)
    yield first
    yield from (f".PP\n{text}" for text in others)


def tagged(tag: str, text: str) -> str:
    """An item of a list."""
    return f".TP\n.B {_text(tag)}\n{_filled(text)}"


def _filled(text: str) -> str:
    """Over several lines."""
    return "\n".join(_text(line) for line in textwrap.wrap(text, 66, break_long_words=False, break_on_hyphens=False))


def _text(text: str) -> str:
    """As roff shows it unchanged: no line of it is a request, a minus is one that can be copied."""
    escaped = text.translate(_ESCAPES)
    return f"\\&{escaped}" if escaped.startswith(".") else escaped


if __name__ == "__main__":
    sys.exit(main())
