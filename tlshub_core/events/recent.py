# SPDX-License-Identifier: Apache-2.0
"""What a sink knows of each connection, bounded: the event that ends one may be lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar
from uuid import UUID

T = TypeVar("T")
LIMIT = 65536


class Recent(Generic[T]):
    """A `T` for each connection, made when it is first asked for, by the flow id of its events.

    Past `limit` the one that was asked for least lately is handed to `forgotten`, and is known no more. Events without
    a flow id belong to no connection: each gets a `T` of its own, which is not kept. Not thread-safe.
    """

    def __init__(
        self, make: Callable[[], T], *, limit: int = LIMIT, forgotten: Callable[[T], object] = lambda known: None
    ) -> None:
        self._make, self._limit, self._forgotten = make, limit, forgotten
        self._known: dict[UUID, T] = {}

    def of(self, flow: UUID | None) -> T:
        """What is known of that connection."""
        known = self.end(flow)
        if flow is not None:
            self._known[flow] = known
        if len(self._known) > self._limit:
            self._forgotten(self._known.pop(next(iter(self._known))))
        return known

    def end(self, flow: UUID | None) -> T:
        """The same, and from now on it is not known any more; a new one where it was not known at all."""
        return self._known.pop(flow) if flow in self._known else self._make()

    def end_all(self) -> Iterator[T]:
        """All that are known, the one that was asked for least lately first; afterwards none is."""
        known, self._known = self._known, {}
        return iter(known.values())

    def __len__(self) -> int:
        return len(self._known)
