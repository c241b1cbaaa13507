# SPDX-License-Identifier: Apache-2.0
"""Where the bytes of streams go, and how many of them may be kept on the way."""

from __future__ import annotations

from typing import Protocol


class Sink(Protocol):
    """What takes the bytes of a stream, in order; `skip` says how many in between nobody saw."""

    def feed(self, chunk: bytes) -> None:
        """The next bytes."""

    def skip(self, count: int) -> None:
        """A hole."""

    def finish(self, ended: bool) -> None:
        """No more come; `ended` is whether the stream is whole up to its FIN and no RST cut it."""


class Room:
    """How many bytes all streams together may keep, and do keep."""

    __slots__ = ("limit", "used")

    def __init__(self, limit: int = 256 << 20) -> None:
        self.limit, self.used = limit, 0

    @property
    def full(self) -> bool:
        """Whether no more may be kept."""
        return self.used > self.limit
