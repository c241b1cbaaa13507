# SPDX-License-Identifier: Apache-2.0
"""The columns of the table of connections: as many as a line has room for, the most telling first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tlshub_core.control.rows import FlowRow
from tlshub_core.events.human import printable, size
from tlshub_core.top.sample import Rates

GAP = 1
_MS, _SECOND, _MINUTE, _HOUR, _DAY = 1, 1000, 60_000, 3_600_000, 86_400_000
_UNITS = ((_DAY, "d", 100 * _HOUR), (_HOUR, "h", 100 * _MINUTE), (_MINUTE, "m", 100 * _SECOND), (_SECOND, "s", _SECOND))


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A heading, its width in cells, and what is below it; of a low `rank` it is left out last."""

    name: str
    width: int
    rank: int
    cell: Callable[[FlowRow, Rates | None], str]
    grows: bool = False


def brief(ms: int) -> str:
    """A duration in at most five characters: '850ms', '59s', '12m', '70h', '5d'; '-' for none."""
    for unit, name, least in _UNITS:
        if ms >= least:
            return f"{ms // unit}{name}"
    return f"{ms}ms" if ms else "-"


def other_end(row: FlowRow) -> str:
    """Who is spoken to: '>' by this node's client, '<' the client of this node's server."""
    return f"> {row.server}" if row.side == "client" else f"< {row.client}"


def own_end(row: FlowRow) -> str:
    """This node's end."""
    return row.client if row.side == "client" else row.server


def _traffic(row: FlowRow, rates: Rates | None) -> str:
    known = rates.traffic.get(row.id) if rates else None
    return "-" if known is None else size(round(known))


COLUMNS = (
    Column(name="process", width=12, rank=0, cell=lambda row, _: row.comm or "?"),
    Column(name="pid", width=7, rank=12, cell=lambda row, _: str(row.pid or "?")),
    Column(name="> to, < from", width=23, rank=1, cell=lambda row, _: other_end(row), grows=True),
    Column(name="own end", width=22, rank=13, cell=lambda row, _: own_end(row), grows=True),
    Column(name="node", width=10, rank=11, cell=lambda row, _: row.peer or "?"),
    Column(name="state", width=10, rank=2, cell=lambda row, _: row.state),
    Column(name="reason", width=18, rank=8, cell=lambda row, _: row.reason or "-"),
    Column(name="rule", width=12, rank=10, cell=lambda row, _: row.rule),
    Column(name="mode", width=7, rank=9, cell=lambda row, _: row.mode),
    Column(name="provider", width=9, rank=6, cell=lambda row, _: row.provider or "-"),
    Column(name="cipher", width=17, rank=7, cell=lambda row, _: row.cipher or "-"),
    Column(name="age", width=5, rank=3, cell=lambda row, _: brief(row.age_ms)),
    Column(name="held", width=5, rank=4, cell=lambda row, _: brief(row.hold_ms)),
    Column(name="bytes/s", width=9, rank=5, cell=_traffic),
)


def fitting(width: int) -> Sequence[Column]:
    """Those that a line of that many cells has room for; one that grows takes what the others leave."""
    chosen, left = list[Column](), width + GAP
    for column in sorted(COLUMNS, key=lambda one: one.rank):
        if column.width + GAP > left:
            break
        chosen.append(column)
        left -= column.width + GAP
    found = [column for column in COLUMNS if column in chosen]
    growing = [column for column in found if column.grows]
    return [replace(one, width=one.width + left // len(growing)) if one.grows else one for one in found]


def cells(columns: Sequence[Column], row: FlowRow, rates: Rates | None) -> Sequence[str]:
    """A line of the table, printable."""
    return [printable(column.cell(row, rates)) for column in columns]
