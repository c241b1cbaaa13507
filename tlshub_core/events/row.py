# SPDX-License-Identifier: Apache-2.0
"""One connection as a row of a table, for spreadsheets; whatever a peer or a process wrote is text in it."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime

from tlshub_core.events.connection import Connection
from tlshub_core.events.human import printable
from tlshub_core.types.capture import State
from tlshub_core.types.events import Closed, Refused, ReleasedClear, Secured, TakenOver
from tlshub_core.types.flow import Mode

COLUMNS = (
    "began", "ended", "flow", "side", "client", "server", "rule", "mode", "peer", "pid", "comm", "provider", "cipher",
    "outcome", "reason", "detail", "negotiation_ns", "hold_ns", "setup_ns", "duration_ns", "restarts", "bytes_sent",
    "bytes_received",
)  # fmt: skip
_FORMULA = "=+-@"  # what a cell begins with that a spreadsheet computes
_LEFT = {State.OPEN: "secured", State.CLEAR: "released", State.REFUSED: "refused"}


def row(connection: Connection, closed: Closed | None, clock_ns: int) -> list[str]:
    """Its cells, in the order of COLUMNS; empty where nothing is known. `clock_ns` is UTC less CLOCK_MONOTONIC."""
    cells = {**_beginning(connection, clock_ns), **_keys(connection), **_decision(connection)}
    cells["outcome"] = outcome(connection, closed)
    if closed is not None:
        cells |= _end(connection, closed, clock_ns)
    return [cell(cells.get(column, "")) for column in COLUMNS]


def cell(value: object) -> str:
    """The value as text on one line; one that a spreadsheet would take for a formula gets an apostrophe before it."""
    if isinstance(value, int):
        return str(value)
    text = printable(str(value))
    first = unicodedata.normalize("NFKC", text).lstrip()[:1]  # full-width signs are computed, too
    return f"'{text}" if first and first in _FORMULA else text


def outcome(connection: Connection, closed: Closed | None) -> str:
    """'secured', 'released', 'refused', 'observed', 'undecided', or, where the events that tell are lost, 'unknown'."""
    match connection.decision, connection.begun:
        case (Secured(), _):
            return "secured"
        case (ReleasedClear(), _):
            return "released"
        case (Refused(), _):
            return "refused"
        case (None, begun) if begun is not None and begun.mode <= Mode.OBSERVE:
            return "observed"
        case (None, TakenOver() as taken) if taken.state in _LEFT:
            return _LEFT[taken.state]
    if closed is not None and closed.secured:
        return "secured"
    return "undecided" if connection.begun else "unknown"


def _beginning(connection: Connection, clock_ns: int) -> Mapping[str, object]:
    begun, owner = connection.begun, connection.owner
    cells: dict[str, object] = {}
    if known := begun or (owner if isinstance(owner, Secured) else None):
        cells |= {"flow": known.flow, "side": known.side.name.lower(), "client": known.client, "server": known.server}
    if begun:
        mode, began = begun.mode.name.lower(), _utc(begun.time_ns + clock_ns)
        cells |= {"began": began, "rule": begun.rule, "mode": mode, "peer": begun.peer}
    if owner:
        cells |= {"pid": owner.pid, "comm": owner.comm}
    return cells


def _keys(connection: Connection) -> Mapping[str, object]:
    asked, ready = connection.asked, connection.ready
    cells: dict[str, object] = {"provider": asked.provider} if asked else {}
    if ready:
        cells |= {"provider": ready.provider, "cipher": ready.cipher}
    if asked and ready:
        cells["negotiation_ns"] = ready.time_ns - asked.time_ns
    return cells


def _decision(connection: Connection) -> Mapping[str, object]:
    match connection.decision:
        case Secured() as done:
            keys = {"provider": done.provider, "cipher": done.cipher}
            return {**keys, "hold_ns": done.hold_ns, "setup_ns": done.setup_ns}
        case ReleasedClear() | Refused() as ended:
            return {"flow": ended.flow or "", "reason": ended.reason.value, "detail": ended.detail}
    return {}


def _end(connection: Connection, closed: Closed, clock_ns: int) -> Mapping[str, object]:
    cells: dict[str, object] = {"ended": _utc(closed.time_ns + clock_ns), "flow": closed.flow or ""}
    if connection.begun:
        cells["duration_ns"] = closed.time_ns - connection.begun.time_ns
    moved = {"bytes_sent": closed.bytes_sent, "bytes_received": closed.bytes_received}
    return {**cells, "restarts": closed.restarts, **moved}


def _utc(ns: int) -> str:
    return datetime.fromtimestamp(ns / 1e9, UTC).isoformat(timespec="milliseconds")
