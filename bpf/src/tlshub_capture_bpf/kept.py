# SPDX-License-Identifier: Apache-2.0
"""Rows of the flow table, in the words of the events that told of them."""

from __future__ import annotations

import struct

from tlshub_capture_bpf.layout import FLOW, unpack_owner, unpack_tuple
from tlshub_core.api import FlowEstablished, FlowKept, FlowOwned, FlowSeen, Mode, Side, State


def kept(cookie: int, value: bytes) -> FlowKept | None:
    """One row; None for a socket that was taken over when it was open, of which no more is known.

    Raises ValueError where it is none that our programs write; what a later release appended is passed over.
    """
    try:
        row = FLOW.unpack_from(value)
    except struct.error as error:
        raise ValueError(f"row of {len(value)} bytes in the flow table is not one of ours: {error}") from error
    state, rule, side, mode, syn_held, _, _, born, _, held, *_, passthrough, _, tuple_, owner_, local, remote, at = row
    if not side:
        return None
    owner = unpack_owner(owner_)
    seen = FlowSeen(
        cookie=cookie,
        time_ns=born,
        side=Side(side),
        tuple=unpack_tuple(tuple_, Side(side)),
        rule=rule,
        mode=Mode(mode),
        state=State(state),
        syn_held=bool(syn_held),
        owner=owner if owner.pid and side == Side.CLIENT else None,
        passthrough=bool(passthrough),
    )
    established = FlowEstablished(cookie=cookie, time_ns=at, local_isn=local, remote_isn=remote) if at else None
    known = owner.pid or owner.fd >= 0  # by no process: its last owner closed it
    owned = FlowOwned(cookie=cookie, time_ns=born, owner=owner, held=bool(held)) if known else None
    return FlowKept(seen=seen, established=established, owned=owned)
