# SPDX-License-Identifier: Apache-2.0
"""Rows of the flow table as an earlier agent left them: what they say, and nothing but ValueError for other bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tlshub_capture_bpf import layout
from tlshub_capture_bpf.kept import kept

from bpf.tests.test_bpf_records import comms, owner_bytes, tuples, u32, u64
from tlshub_core.api import FlowEstablished, FlowOwned, FlowSeen, Mode, Owner, Side, State, Tuple4

SIZE = layout.FLOW.size


@given(
    u64, tuples, st.sampled_from(Side), st.sampled_from(Mode), st.sampled_from(State), u32, u32, comms, st.booleans()
)
def test_a_row_says_what_the_events_said(
    cookie: int, tuple4: Tuple4, side: Side, mode: Mode, state: State, one: int, two: int, comm: bytes, known: bool
) -> None:
    owner, nobody = owner_bytes(5, 7, 9, comm), owner_bytes(0, 0, -1, b"")
    begun, at = 1000, 2000 * known
    value = layout.FLOW.pack(
        *(state, 3, side, mode, 1, 6, 0, begun, 0, 0, 0, 0, 0, 0, 0, 1, 0, layout.pack_tuple(tuple4, side)),
        *(owner if known else nobody, one, two, at),
    )
    found = kept(cookie, value)
    assert found is not None
    who = Owner(pid=7, fd=9, inode=5, comm=comm.decode("utf-8", "replace"))
    assert found.seen == FlowSeen(
        cookie=cookie,
        time_ns=begun,
        side=side,
        tuple=tuple4,
        rule=3,
        mode=mode,
        state=state,
        syn_held=True,
        owner=who if known and side is Side.CLIENT else None,
        passthrough=True,
    )
    established = FlowEstablished(cookie=cookie, time_ns=at, local_isn=one, remote_isn=two)
    assert found.established == (established if known else None)
    assert found.owned == (FlowOwned(cookie=cookie, time_ns=begun, owner=who, held=False) if known else None)
    assert kept(cookie, value + b"later") == found, "what a later release appended is passed over"


@given(st.one_of(st.binary(min_size=SIZE, max_size=SIZE + 8), st.binary(max_size=SIZE + 8)))
def test_random_bytes_are_a_row_or_a_valueerror(value: bytes) -> None:
    try:
        found = kept(1, value)
    except ValueError:
        return
    assert len(value) >= SIZE and (found is None) == (value[8] == 0)


def test_a_short_row_is_refused() -> None:
    with pytest.raises(ValueError, match=f"row of {SIZE - 1} bytes"):
        kept(1, bytes(SIZE - 1))
    assert kept(1, bytes(SIZE)) is None
