# SPDX-License-Identifier: Apache-2.0
"""What the guard asks the programs: which flows were refused or released with nobody there to tell their owners."""

from __future__ import annotations

from dataclasses import dataclass

from tlshub_capture_bpf import layout
from tlshub_capture_bpf.calls import Call
from tlshub_capture_bpf.libbpf import Libbpf
from tlshub_capture_bpf.maps import Map
from tlshub_core.types.capture import Owner, State
from tlshub_core.types.flow import Side, Tuple4

SWEPT = 64  # at once, as in sweep.bpf.h


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """A flow that was refused or released, or whose install may be complete; whoever sleeps for it does not know."""

    cookie: int
    state: State
    side: Side
    tuple: Tuple4
    owner: Owner


class Sweeper:
    """Asks the programs; `life` is the agent's whose guard this is, `died_ns` when it ended."""

    def __init__(self, libbpf: Libbpf, sweep: int, ended: int, life: int, died_ns: int) -> None:
        self._call = Call(libbpf, sweep, layout.SWEEP.size)
        self._ended = Map(libbpf, ended, layout.SWEPT.size)
        self._life, self._died_ns = life, died_ns

    def sweep(self, give_up: bool) -> list[Swept] | None:
        """The flows of now to be ended, some of them where there are many; None where another agent has taken over."""
        context = layout.SWEEP.pack(self._life, self._died_ns, give_up, 0, 0, 0)
        _, _, _, found, replaced, _ = layout.SWEEP.unpack(self._call(context))
        values = [] if replaced else [self._ended.get(layout.U32.pack(at)) for at in range(found)]
        return None if replaced else [unpacked(value) for value in values if value is not None]


def unpacked(value: bytes) -> Swept:
    """One entry of the map 'ended'."""
    cookie, state, side, tuple_, owner = layout.SWEPT.unpack(value)
    return Swept(
        cookie=cookie,
        state=State(state),
        side=Side(side),
        tuple=layout.unpack_tuple(tuple_, Side(side)),
        owner=layout.unpack_owner(owner),
    )
