# SPDX-License-Identifier: Apache-2.0
"""Values of labels: few, and harmless, whatever an event says. Each new one is a series for ever."""

from __future__ import annotations

import re

from tlshub_core.api import State

OTHER, NONE, UNKNOWN = "other", "none", "unknown"
PENDING, SECURED, RELEASED, REFUSED = "pending", "secured", "released", "refused"
OBSERVED, UNDECIDED = "observed", "undecided"
OUTCOMES = (SECURED, RELEASED, REFUSED, OBSERVED, UNDECIDED, UNKNOWN)
STANDINGS = (PENDING, SECURED, RELEASED, REFUSED, OBSERVED)
_AT_MOST = 32
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}")


class Names:
    """The first names that came, as they are; 'other' stands for later ones, and for what is no plain name."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def of(self, name: str) -> str:
        """The name as the value of a label."""
        if name not in self._seen:
            if len(self._seen) >= _AT_MOST or not _NAME.fullmatch(name):
                return OTHER
            self._seen.add(name)
        return name


def standing(state: State) -> str:
    """Where a connection stands that an earlier agent left in that state."""
    return {State.OPEN: SECURED, State.CLEAR: RELEASED, State.REFUSED: REFUSED}.get(state, PENDING)


def yes(flag: bool) -> str:
    """A flag as the value of a label."""
    return "yes" if flag else "no"
