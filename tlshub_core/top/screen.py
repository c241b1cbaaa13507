# SPDX-License-Identifier: Apache-2.0
"""The view as a screen of so many lines and columns."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tlshub_core.control import requests
from tlshub_core.events.human import printable
from tlshub_core.top import columns
from tlshub_core.top.columns import Column
from tlshub_core.top.controls import Controls
from tlshub_core.top.head import WIDTH, Line, head
from tlshub_core.top.sample import Rates, Sample

# Of the sixteen colours that every terminal has; each is a word as well, for those who see none.
_STYLES = {"open": "green", "clear": "yellow", "refused": "red", "BYPASS": "bold red"}
_HELD = "cyan"
KEYS = "q quit  s sort  p pause  / filter"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What there is to see; `trouble` is why the agent does not answer, '' where it does."""

    sample: Sample
    rates: Rates | None
    controls: Controls
    trouble: str = ""


def screen(view: View, width: int, height: int) -> RenderableType:
    """All of it; a line each, so that nothing moves but what changes."""
    troubles = textwrap.wrap(printable(view.trouble), max(width, 10))
    lines = [_line(one) for one in head(view.sample.answer, view.rates)]
    lines += [_plain(text, "bold red") for text in troubles]
    room = max(0, height - len(lines) - 3)  # a line between, the headings, and what the keys do
    rows = min(room, len(view.sample.answer.flows))
    blank = [Text("")] * (room - rows)
    return Group(*lines, Text(""), _table(view, width, rows), *blank, _foot(view, rows))


def rows_in(height: int) -> int:
    """How many rows there may be room for, as many as may be asked for at most."""
    return max(1, min(requests.MAX_TOP, height))


def _plain(text: str, style: str = "") -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def _line(line: Line) -> Text:
    name, text = line
    style = _STYLES.get(name, "bold")
    return _plain("").append(f"{name:{WIDTH}}", style).append(text, _STYLES.get(name, ""))


def _table(view: View, width: int, rows: int) -> Table:
    fitting = columns.fitting(width)
    table = Table(box=None, padding=(0, columns.GAP, 0, 0), pad_edge=False, header_style="reverse")
    for column in fitting:
        table.add_column(column.name, width=column.width, no_wrap=True, overflow="ellipsis")
    for row in view.sample.answer.flows[:rows]:
        cells = columns.cells(fitting, row, view.rates)
        table.add_row(*_styled(fitting, cells), style="dim" if view.trouble else "")
    return table


def _styled(fitting: Sequence[Column], cells: Sequence[str]) -> list[Text]:
    return [
        Text(cell, style=_STYLES.get(cell, _HELD) if column.name == "state" else "")
        for column, cell in zip(fitting, cells, strict=True)
    ]


def _foot(view: View, rows: int) -> Text:
    controls, answer = view.controls, view.sample.answer
    if controls.typed is not None:
        return _plain(f"filter: {controls.typed}_  (enter: apply, escape: leave)", "bold")
    parts = [KEYS, f"[{rows} of {answer.total}, {controls.order}]"]
    parts += [f"filter: '{printable(controls.text)}'"] if controls.text else []
    parts += ["PAUSED"] if controls.paused else []
    return _plain("  ".join(parts), "bold")
