# SPDX-License-Identifier: Apache-2.0
"""The reference of the command line and the manual page are those of these commands, and roff has no complaint."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from commands import Command, commands, undocumented
from man import lines, tagged

from tlshub_core.cli.main import COMMANDS, main

ROOT = Path(__file__).parents[3]
MANDOC = shutil.which("mandoc")
needs_mandoc = pytest.mark.skipif(MANDOC is None, reason="mandoc is not installed: apt-get install mandoc")


def rendered(page: Path) -> str:
    """As plain text on wide lines, without overstriking."""
    command = [str(MANDOC), "-T", "ascii", "-O", "width=200", str(page)]
    return re.sub(".\b", "", subprocess.run(command, text=True, capture_output=True, check=True).stdout)


@pytest.mark.parametrize(("script", "page"), [("cli", "reference/cli.md"), ("man", "man/tlshub-capture.1")])
def test_it_is_up_to_date(script: str, page: str) -> None:
    command = [sys.executable, str(ROOT / f"docs/reference/{script}.py")]
    done = subprocess.run(command, text=True, capture_output=True, check=True)
    assert done.stdout == (ROOT / "docs" / page).read_text(), "run `make reference`"


def test_every_command_is_there_with_its_options() -> None:
    found = {one.usage.split(" [")[0]: one for one in commands(main)}
    assert {f"tlshub-capture {name}" for name in COMMANDS} <= found.keys()
    assert "tlshub-capture ctl flows" in found
    assert ("--once", "Print it once and end, as it does where stdout or stdin is no terminal.") in found[
        "tlshub-capture top"
    ].options


def test_what_says_nothing_of_itself_is_named() -> None:
    @click.command()
    @click.option("--silent")
    def silent() -> None:
        """Something."""

    option, none = commands(silent, "a"), commands(click.Command("mute"), "b")
    assert undocumented([*option, *none]) == ["a [OPTIONS]", "b [OPTIONS]"]


@needs_mandoc
def test_the_manual_page_has_no_faults_and_says_it_all() -> None:
    page = ROOT / "docs/man/tlshub-capture.1"
    lint = subprocess.run([str(MANDOC), "-T", "lint", "-W", "style", str(page)], text=True, capture_output=True)
    assert (lint.returncode, lint.stdout + lint.stderr) == (0, "")
    text = " ".join(rendered(page).split())
    for command in commands(main):
        words = (
            command.usage.removeprefix("tlshub-capture "),
            *(word for option in command.options for word in option),
        )
        assert all(" ".join(word.split()) in text for word in (*words, *command.texts)), command


@needs_mandoc
@pytest.mark.parametrize("text", [".TH x", "'br", "a \\n(.s b", 'say "it"', "`x` ^y ~z", "-v", "a\\fBb", ".. ."])
def test_any_text_is_shown_as_it_is(tmp_path: Path, text: str) -> None:
    head, *_ = lines()
    page = tmp_path / "page.1"
    page.write_text(f"{head}\n.SH TEXTS\n{tagged(text, text)}\n")
    assert f"{text} {text}" in " ".join(rendered(page).split())


def test_an_empty_command_has_no_line() -> None:
    assert list(commands(click.Group("g", help="Help."), "g")) == [
        Command(usage="g [OPTIONS] COMMAND [ARGS]...", texts=["Help."], options=[])
    ]
