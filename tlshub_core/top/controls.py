# SPDX-License-Identifier: Apache-2.0
"""What the keys have chosen, and what each key changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tlshub_core.control import requests

ESCAPE, INTRODUCERS = "\x1b", "[O"  # CSI and SS3 of ECMA-48, with which terminals send arrows and function keys
ENTER, ERASE, CLEAR = ("\r", "\n"), ("\x7f", "\b"), "\x15"


@dataclass(frozen=True, slots=True, kw_only=True)
class Controls:
    """`text` is looked for in connections; `typed` is what is to become it, None where nobody is typing."""

    order: str = requests.ORDERS[0]
    text: str = ""
    typed: str | None = None
    paused: bool = False

    def pressed(self, key: str) -> Controls | None:
        """What it is after that key; None where it says to quit."""
        if self.typed is not None:
            return self._edited(self.typed, key)
        match key.lower():
            case "q":
                return None
            case "s":
                following = requests.ORDERS.index(self.order) + 1
                return replace(self, order=requests.ORDERS[following % len(requests.ORDERS)])
            case "p":
                return replace(self, paused=not self.paused)
            case "/":
                return replace(self, typed=self.text)
        return self

    def _edited(self, typed: str, key: str) -> Controls:
        if key in ENTER:
            return replace(self, text=typed, typed=None)
        if key == ESCAPE:
            return replace(self, typed=None)
        if key in ERASE:
            return replace(self, typed=typed[:-1])
        if key == CLEAR:
            return replace(self, typed="")
        return replace(self, typed=(typed + key)[: requests.MAX_TEXT]) if key.isprintable() else self

    def asks_as(self, other: Controls) -> bool:
        """Whether the agent is asked the same."""
        return (self.order, self.text) == (other.order, other.text)


def keys(typed: str) -> Iterator[str]:
    """One character each; sequences that a terminal sends for keys that mean nothing here are left out."""
    at = 0
    while at < len(typed):
        if typed[at] == ESCAPE and typed[at + 1 : at + 2] and typed[at + 1] in INTRODUCERS:
            at = _end(typed, at + 2)
        else:
            yield typed[at]
            at += 1


def _end(typed: str, at: int) -> int:
    """Behind the sequence whose parameters begin there: its last character is the first from '@' to '~'."""
    while at < len(typed) and not "@" <= typed[at] <= "~":
        at += 1
    return at + 1
