# SPDX-License-Identifier: Apache-2.0
"""What an agent asks of the programs about one connection, each by a call."""

from __future__ import annotations

from tlshub_capture_bpf import decoding, layout
from tlshub_capture_bpf.calls import Call
from tlshub_capture_bpf.libbpf import Libbpf
from tlshub_capture_bpf.programs import MOVE, Programs
from tlshub_core.api import Address, Mode, Reason, Side, State, Tuple4

NEVER_ANSWERED = 0
BLOCKS = 2**14 // 16 + 1  # of a full record, as `find_worn` counts
_STATES: dict[int, State | None] = {0: None, **{state.value: state for state in State}}


class Moving:
    """Moves flows; all that `detach` needs."""

    def __init__(self, libbpf: Libbpf, program: int) -> None:
        self._move = Call(libbpf, program, layout.MOVE.size)

    def move(self, cookie: int, born: int, expected: State, to: State, deadline_ns: int) -> State | None:
        """Compare-and-swap in the kernel; the state before, or None where the flow is gone."""
        before = layout.MOVE.unpack(self._move(layout.MOVE.pack(cookie, born, deadline_ns, expected, to, 0, 0)))[5]
        return _STATES[before]


class Verdicts(Moving):
    """All that an agent asks; see `CaptureBackend` for what each does."""

    def __init__(self, libbpf: Libbpf, programs: Programs, *, gate: bool) -> None:
        super().__init__(libbpf, programs.descriptor(MOVE))
        self._warm = programs.map("warm", 8)
        self._warm.clear(layout.ADDRESS_SIZE)  # an earlier agent's sessions are gone
        self._promise = programs.call("promise", layout.PROMISE.size)
        self._leave = programs.call("leave", layout.PROMISE.size)
        self._ask = programs.call("ask_rule", layout.ASK.size)
        self._worn = programs.call("find_worn", layout.WEAR.size) if gate else None

    def expect(self, tuple4: Tuple4, deadline_ns: int) -> State | None:
        """A promise that the peer was given."""
        context = layout.PROMISE.pack(layout.pack_tuple(tuple4, Side.SERVER), deadline_ns, 0, 0)
        return _STATES[layout.PROMISE.unpack(self._promise(context))[2]]

    def leave(self, tuple4: Tuple4, deadline_ns: int, reason: Reason) -> bool:
        """The peer's application speaks TLS itself, or its socket can take none."""
        number = decoding.NUMBERS[reason]
        context = layout.PROMISE.pack(layout.pack_tuple(tuple4, Side.SERVER), deadline_ns, 0, number)
        return bool(layout.PROMISE.unpack(self._leave(context))[2] == State.CLEAR)

    def match(self, side: Side, remote: Address, port: int) -> tuple[int, Mode]:
        """The rule that the programs would choose."""
        query = layout.QUERY.pack(layout.pack_address(remote), port, side, 0, 0, bytes(16))
        _, rule, mode, found, _ = layout.ASK.unpack(self._ask(layout.ASK.pack(query, 0, 0, 0, 0)))
        return (rule, Mode(mode)) if found else (-1, Mode.BYPASS)

    def warm(self, address: Address, up: bool) -> None:
        """Whether a session for that address is up."""
        key = layout.pack_address(address)
        if up:
            self._warm.put(key, layout.U64.pack(NEVER_ANSWERED))
        else:
            self._warm.drop(key)

    def wear(self, records: int) -> None:
        """Have worn keys told."""
        if self._worn is not None:
            self._worn(layout.WEAR.pack(records * BLOCKS))
