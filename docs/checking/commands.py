# SPDX-License-Identifier: Apache-2.0
"""Commands that readers are told to type are ones that the program and the Makefile know."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from itertools import dropwhile
from pathlib import PurePosixPath

import click

from checking.fault import Fault
from checking.page import INDENTED, Page
from checking.repository import Repository
from tlshub_core.cli.main import main

PROGRAM = "tlshub-capture"
SHELL = frozenset({INDENTED, "sh", "bash", "shell", "console"})
_SEPARATORS = frozenset({"&&", "||", "|", ";", "&", "(", ")"})
_WRAPPERS = frozenset({"sudo", "nohup", "exec", "time", "!"})
_FORM = re.compile(r"[\[\]|…]|\.\.\.|\bCOMMAND\b")


def faults(page: Page, repository: Repository) -> Iterator[Fault]:
    """Each command that would be refused, in blocks of shell and in spans of code that are a whole command."""
    targets = _targets(repository)
    for line, text, complete in _lines(page):
        for words in commands(text):
            if problem := _problem(words, targets, complete):
                yield Fault(page=repository.name(page.path), line=line, message=problem)


def commands(line: str) -> Iterator[Sequence[str]]:
    """The calls of this program and of make in a line of shell, each as its words without redirections."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    call: list[str] = []
    for word in [*_split(lexer), ";"]:
        if word not in _SEPARATORS:
            call.append(word)
            continue
        words = list(dropwhile(_before_a_command, call))
        if words and PurePosixPath(words[0]).name in (PROGRAM, "make"):
            yield [PurePosixPath(words[0]).name, *_arguments(words[1:])]
        call = []


def _lines(page: Page) -> Iterator[tuple[int, str, bool]]:
    """Line number, text, and whether it has to be complete: in the middle of a sentence a command is named only."""
    for block in page.blocks:
        if block.language in SHELL:
            first = block.line + (block.language != INDENTED)
            lines = block.text.replace("\\\n", " ").splitlines()
            yield from ((number, text, True) for number, text in enumerate(lines, first))
    for code in page.codes:
        if code.text.startswith((f"{PROGRAM} ", "make ")) and not _FORM.search(code.text):
            yield code.line, code.text, False


def _before_a_command(word: str) -> bool:
    return word in _WRAPPERS or "=" in word


def _split(lexer: shlex.shlex) -> list[str]:
    try:
        return list(lexer)
    except ValueError:
        return []  # the beginning of something that goes on in the next line, such as a text


def _arguments(words: Sequence[str]) -> Iterator[str]:
    for word in words:
        if word[0] in "<>":
            return
        yield word


def _problem(words: Sequence[str], targets: frozenset[str], complete: bool) -> str:
    if words[0] == PROGRAM:
        return _refused(words[1:], complete)
    wrong = [word for word in words[1:] if "=" not in word and not word.startswith("-") and word not in targets]
    return f"the Makefile has no target '{wrong[0]}'" if wrong else ""


def _refused(arguments: Sequence[str], complete: bool) -> str:
    """What click says to the call; nothing of it is carried out."""
    context: click.Context | None = None
    command: click.Command = main
    rest = list(arguments)
    try:
        while True:
            context = command.make_context(command.name, rest, parent=context)
            if not isinstance(command, click.Group):
                return ""
            name, found, rest = command.resolve_command(context, [*context._protected_args, *context.args])
            assert found is not None, name
            command = found
    except (click.exceptions.Exit, click.exceptions.NoArgsIsHelpError):
        return ""  # '--help', '--version'; a group's name
    except click.ClickException as error:
        if _may_be_so_elsewhere(error) or (isinstance(error, click.MissingParameter) and not complete):
            return ""
        if type(error) is click.BadParameter and error.param and isinstance(error.param.type, click.Path):
            return ""  # a file that readers have, and this checkout has not
        return f"'{PROGRAM} {shlex.join(arguments)}' would be refused: {error.format_message()}"


def _may_be_so_elsewhere(error: click.ClickException) -> bool:
    """A file that has to be there, on the reader's machine."""
    kind = error.param.type if isinstance(error, click.BadParameter) and error.param else None
    return isinstance(kind, click.Path | click.File) and not isinstance(error, click.MissingParameter)


def _targets(repository: Repository) -> frozenset[str]:
    makefile = repository.root / "Makefile"
    found = re.findall(r"^([a-z][a-z-]*):", makefile.read_text(), re.MULTILINE) if makefile.exists() else ()
    return frozenset(found)
