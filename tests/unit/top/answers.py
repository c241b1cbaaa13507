# SPDX-License-Identifier: Apache-2.0
"""Answers of any content, as an agent may give them."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from tests.fuzz.targets.answers import FLOW, TOP
from tlshub_core.control.answers import TopAnswer
from tlshub_core.control.requests import STATES
from tlshub_core.control.rows import RuleCount, SessionRow

words = st.text(max_size=30) | st.sampled_from(["\x1b[2J", "a\nb", "\u202e", "語" * 20, "[bold]x[/bold]", ":smile:"])
counts = st.integers(0, 2**63 - 1)
_by_name = st.dictionaries(st.sampled_from(STATES) | words, counts, max_size=4)
flows = st.builds(
    lambda side, ends, names, times: replace(
        FLOW, side=side, client=ends[0], server=ends[1], comm=names[0], rule=names[1], peer=names[2], provider=names[3],
        state=names[4], age_ms=times[0], hold_ms=times[1],
    ),
    st.sampled_from(["client", "server"]), st.tuples(words, words), st.tuples(words, words, words, words, words),
    st.tuples(counts, counts),
)  # fmt: skip
sessions = st.builds(SessionRow, node=words, address=words, dialler=st.booleans(), age_s=counts, flows=counts)
rules = st.builds(RuleCount, rule=words, mode=words, flows=_by_name)


@st.composite
def answers(draw: st.DrawFn) -> TopAnswer:
    """One."""
    status = replace(TOP.status, node=draw(words), sessions=tuple(draw(st.lists(sessions, max_size=3))))
    return replace(
        TOP,
        status=replace(status, flows=draw(_by_name)),
        uptime_ms=draw(counts),
        refused=draw(_by_name),
        rules=tuple(draw(st.lists(rules, max_size=3))),
        flows=tuple(draw(st.lists(flows, max_size=40))),
        total=draw(counts),
    )
