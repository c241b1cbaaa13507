# SPDX-License-Identifier: Apache-2.0
"""What the programs decided alone, counted in the kernel, and how much of it an agent has reported already.

Each decision has a number. One that is told by an event of its own is counted then; at a take-over, and where events
were lost, all up to a number are told at once, and the event of such a one, should it still come, is passed over.
"""

from __future__ import annotations

import mmap
import struct

from tlshub_capture_bpf.layout import TALLY, U64
from tlshub_core.api import State, Unaccounted

_TOLD = struct.Struct("=QQQ")  # what of TALLY this process writes: released, refused, since
_TOLD_AT, _SINCE_AT = 16, 32


class Tally:
    """The map 'tally' by its descriptor, shared with the programs; raises OSError where it cannot be mapped."""

    def __init__(self, fd: int) -> None:
        self._memory = mmap.mmap(fd, mmap.PAGESIZE)
        self._upto = {State.CLEAR: 0, State.REFUSED: 0}

    def is_news(self, state: State, number: int) -> bool:
        """Count the decision that this event tells; false where it was told with others before."""
        if number <= self._upto.get(state, 0):
            return False
        at = _TOLD_AT if state is State.CLEAR else _TOLD_AT + U64.size
        U64.pack_into(self._memory, at, U64.unpack_from(self._memory, at)[0] + 1)
        return True

    def settle(self) -> Unaccounted | None:
        """All decisions until now that no agent has told of; None where there are none."""
        released, refused, *told, since = TALLY.unpack_from(self._memory)
        self._upto = {State.CLEAR: released, State.REFUSED: refused}
        _TOLD.pack_into(self._memory, _TOLD_AT, released, refused, 0)
        if told == [released, refused]:
            return None
        return Unaccounted(released=released - told[0], refused=refused - told[1], since_ns=since)

    def close(self) -> None:
        """Let go of the memory."""
        self._memory.close()
