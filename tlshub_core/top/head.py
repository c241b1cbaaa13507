# SPDX-License-Identifier: Apache-2.0
"""What is said of the agent as a whole, a line each: a name and a text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tlshub_core.control.answers import TopAnswer
from tlshub_core.control.requests import STATES
from tlshub_core.control.rows import RuleCount, SessionRow
from tlshub_core.events.human import duration, printable, size
from tlshub_core.top.sample import Rates

Line = tuple[str, str]
WIDTH = 14  # of the names, with what follows them


def head(answer: TopAnswer, rates: Rates | None) -> Sequence[Line]:
    """All lines, printable; what has nothing to say is left out."""
    lines = (*_agent(answer, rates), *_counts(answer, rates), *_tables(answer))
    return [(name, printable(text)) for name, text in lines if text]


def _agent(answer: TopAnswer, rates: Rates | None) -> Iterator[Line]:
    status = answer.status
    cpu = f"{100 * rates.cpu:.1f} % of a core" if rates else f"{answer.cpu_ms / 1000:.1f} s of processor time"
    provider = ", ".join(one.name for one in status.providers if one.default) or "none"
    up = duration(status.uptime_s * 1_000_000_000)
    yield "agent", f"node '{status.node}', process {status.pid}, up {up}, provider '{provider}'"
    yield "", f"{cpu}, {size(answer.resident_bytes)} resident; events lost: {_lost(answer)}"
    if status.bypass.on:
        yield "BYPASS", "is on: new connections are NOT encrypted"


def _lost(answer: TopAnswer) -> str:
    totals = answer.status.totals
    return f"{totals.lost_in_kernel} kernel, {totals.lost_in_sinks} sinks"


def _counts(answer: TopAnswer, rates: Rates | None) -> Iterator[Line]:
    totals = answer.status.totals
    yield "connections", _states(answer.status.flows) or "none"
    if rates:
        yield "per second", _outcomes(rates.connections, rates.secured, rates.released_clear, rates.refused, ".1f")
    yield "since start", _outcomes(answer.connections, totals.secured, totals.released_clear, totals.refused, "d")
    yield "refused", _reasons(answer.refused)
    yield "in clear", _reasons(answer.released_clear)


def _outcomes(began: float, secured: float, clear: float, refused: float, form: str) -> str:
    return f"{began:{form}} began, {secured:{form}} secured, {clear:{form}} in clear, {refused:{form}} refused"


def _tables(answer: TopAnswer) -> Iterator[Line]:
    """The busiest come first, and what does not fit is cut off."""
    yield "sessions", ", ".join(_session(one) for one in answer.status.sessions)
    yield "rules", "; ".join(_rule(one) for one in answer.rules)


def _session(row: SessionRow) -> str:
    return f"{row.node} ({row.flows})"


def _rule(row: RuleCount) -> str:
    return f"{row.rule} ({row.mode}): {_states(row.flows)}"


def _states(flows: Mapping[str, int]) -> str:
    """Those that are open first."""
    return ", ".join(f"{flows[state]} {state}" for state in sorted(flows, key=_place))


def _place(state: str) -> tuple[bool, int, str]:
    return state != "open", STATES.index(state) if state in STATES else len(STATES), state


def _reasons(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items(), key=lambda item: -item[1]))
