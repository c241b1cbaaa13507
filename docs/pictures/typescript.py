# SPDX-License-Identifier: Apache-2.0
"""What a command prints on a terminal, and a picture of that."""

from __future__ import annotations

import asyncio
import io
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console, RenderableType
from rich.text import Text

COLUMNS = 118


async def said(words: Sequence[str], file: Path) -> str:
    """What 'tlshub-capture' says with these words, on a terminal of so many columns, which is noted in that file."""
    command = shlex.join([str(Path(sys.executable).with_name("tlshub-capture")), *words])
    script = ["script", "--quiet", "--return", "--command", f"stty cols {COLUMNS}; {command}", str(file)]
    nobody = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*script, stdin=nobody, stdout=nobody)
    assert await process.wait() == 0, file.read_text()
    return file.read_text()


def lines(typescript: str) -> RenderableType:
    """All of it, without the words of 'script' around it."""
    found = [line for line in typescript.splitlines() if not line.startswith("Script ")]
    return Text.from_ansi("\n".join(found).strip("\n") + "\n")  # else the underscores of the last line are cut off


def picture(what: RenderableType, title: str, file: Path) -> None:
    """A picture of a terminal that shows it."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(what)
    console.save_svg(str(file), title=title)
