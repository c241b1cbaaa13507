# SPDX-License-Identifier: Apache-2.0
"""Connections that are still in their handshake: nobody is known yet, so one address has to make room for others."""

from __future__ import annotations

import asyncio
from collections import Counter
from ipaddress import IPv6Address, ip_address

_PREFIX_64 = 8  # bytes: whoever has one IPv6 address has all of its /64


class Admission:
    """At most `most` at a time; where one more comes, the address that has most of them loses its oldest."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: dict[asyncio.Task[None], str] = {}

    def enter(self, task: asyncio.Task[None], address: str) -> asyncio.Task[None] | None:
        """One more; the task to be cancelled for it, which may be the newcomer's own, or None."""
        self._held[task] = _group(address)
        if len(self._held) <= self._most:
            return None
        busiest = Counter(self._held.values()).most_common(1)[0][0]
        victim = next(task for task, group in self._held.items() if group == busiest)
        del self._held[victim]
        return victim

    def leave(self, task: asyncio.Task[None] | None) -> bool:
        """Its handshake is over; false where it had to make room."""
        return task is not None and self._held.pop(task, None) is not None


def _group(address: str) -> str:
    """What counts as one address; text that is none stands for itself."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return parsed.packed[:_PREFIX_64].hex() if isinstance(parsed, IPv6Address) else address
