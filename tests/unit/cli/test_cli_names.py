# SPDX-License-Identifier: Apache-2.0
"""A process chooses its own name: in a table of connections it is text, on a terminal and in a pipe."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import click
import pytest

from tlshub_core.cli.main import Lazy
from tlshub_core.types.errors import Unavailable

EVIL = "x\n9 \x1b]0;a\x07\x1b[2J\r\u202e[/red]"
SHOWN = r"x\n9 \x1b]0;a\x07\x1b[2J\r\u202e[/red]"
CODE = (
    "import sys; from tlshub_core.cli.common import print_rows; print_rows(('comm', 'state'), [(sys.argv[1], 'open')])"
)


def test_in_a_pipe() -> None:
    done = subprocess.run([sys.executable, "-c", CODE, EVIL], capture_output=True, text=True, check=True)
    assert [line.split("  ") for line in done.stdout.split("\n")][1:] == [[SHOWN, "open"], [""]]


def test_on_a_terminal() -> None:
    ours, theirs = pty.openpty()
    try:
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "200"}
        subprocess.run([sys.executable, "-c", CODE, EVIL], stdout=theirs, check=True, env=environment)
        said = os.read(ours, 65536).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    head, row, rest = said.split("\r\n")
    assert "comm" in head and rest == ""
    assert row.split() == [*SHOWN.split(), "open"]


def test_an_error_that_quotes_it(capsys: pytest.CaptureFixture[str]) -> None:
    @click.group(cls=Lazy)
    @click.pass_context
    def group(_: click.Context) -> None:
        raise Unavailable(f"first '{EVIL.replace(chr(10), '')}'\nsecond")

    with pytest.raises(SystemExit) as ended:
        group(["plugins"])
    assert ended.value.code == 1
    assert capsys.readouterr().err.split("\n") == [
        f"error: first '{SHOWN.replace(chr(92) + 'n', '')}'",
        "error: second",
        "",
    ]
