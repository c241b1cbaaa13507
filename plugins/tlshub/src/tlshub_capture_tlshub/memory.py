# SPDX-License-Identifier: Apache-2.0
"""What was derived from the master keys that the module still has: none of it is derived again.

A tuple is known once this agent had a part in its handshake. Of a known tuple all uses on this node are known: its last
master key's are here, and one that is new was made since. Of any other tuple an earlier agent may have used the key.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from enum import Enum

from tlshub_core.api import Isns, Tuple4

LIMIT = 32_768  # tuples; one that is forgotten costs a handshake, no secrecy


class Standing(Enum):
    """What is known of a master key that the module gave."""

    STRANGE = "the tuple is not known"
    NEW = "another one than the tuple's last"
    UNUSED = "nothing was derived from it"
    USED = "something was derived from it"
    DEAD = "it must not be used"


@dataclass(slots=True, kw_only=True)
class _Known:
    mark: bytes = b""
    dead: bool = False
    used: set[Isns] = field(default_factory=set)


class Memory:
    """Of at most `limit` tuples, those that were looked at last; master keys by their mark."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._known: OrderedDict[Tuple4, _Known] = OrderedDict()

    def knows(self, tuple4: Tuple4) -> bool:
        """Whether a handshake for that tuple was seen or asked for: then the peer may have its master key."""
        return tuple4 in self._known

    def standing(self, tuple4: Tuple4, mark: bytes) -> Standing:
        """What is known of the master key that the module has for that tuple."""
        known = self._known.get(tuple4)
        if known is None:
            return Standing.STRANGE
        self._known.move_to_end(tuple4)
        if known.mark != mark:
            return Standing.NEW
        if known.dead:
            return Standing.DEAD
        return Standing.USED if known.used else Standing.UNUSED

    def keyless(self, tuple4: Tuple4) -> None:
        """The module has no key for that tuple: the next one is new."""
        if tuple4 not in self._known:
            self._put(tuple4, _Known())

    def adopt(self, tuple4: Tuple4, mark: bytes) -> None:
        """This master key is the tuple's now, as it was or instead of an earlier one."""
        known = self._known.get(tuple4)
        if known is None or known.mark != mark:
            self._put(tuple4, _Known(mark=mark))

    def distrust(self, tuple4: Tuple4, mark: bytes) -> None:
        """Nothing may be derived from this master key."""
        self._put(tuple4, _Known(mark=mark, dead=True))

    def spend(self, tuple4: Tuple4, mark: bytes, isns: Isns) -> bool:
        """Whether keys may be derived for these sequence numbers: once; a repeat is the end of that master key."""
        known = self._known.get(tuple4)
        if known is None or known.mark != mark or known.dead:
            return False
        if isns in known.used:
            known.dead = True
            return False
        known.used.add(isns)
        return True

    def _put(self, tuple4: Tuple4, known: _Known) -> None:
        self._known[tuple4] = known
        self._known.move_to_end(tuple4)
        while len(self._known) > self._limit:
            self._known.popitem(last=False)

    def __len__(self) -> int:
        return len(self._known)
