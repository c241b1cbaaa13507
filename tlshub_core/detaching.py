# SPDX-License-Identifier: Apache-2.0
"""Ends what agents left pinned: what is held is decided first, so that nothing goes on by itself that was to wait."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from tlshub_core.namespaces import everywhere
from tlshub_core.pipeline import descriptor, release, sockdiag
from tlshub_core.types.capture import CaptureSettings, FlowKept, State
from tlshub_core.types.errors import Unavailable
from tlshub_core.types.flow import Mode
from tlshub_core.types.interfaces import CaptureBackend

_ROUNDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Detached:
    """What was there: the programs, and how many connections became what."""

    programs: tuple[str, ...] = ()
    refused: int = 0
    released: int = 0
    secured: int = 0
    clear: int = 0


async def detach(backend: CaptureBackend, settings: CaptureSettings) -> Detached:
    """Decide about all that is held, and remove the programs; connections that are secured, or in clear, go on.

    Raises Unavailable where an agent runs, or where a connection that is refused cannot be reset: then all stays, but
    for the program that has new connections held.
    """
    programs = await backend.retire(settings)
    try:
        refused, released = _decide(backend)
        left = [row.seen.state for row in backend.flows()]
    except BaseException:
        await backend.detach(unpin=False)
        raise
    await backend.detach(unpin=True)
    return Detached(
        programs=tuple(programs),
        refused=len(refused),
        released=len(released),
        secured=left.count(State.OPEN),
        clear=left.count(State.CLEAR) - len(released),
    )


def _decide(backend: CaptureBackend) -> tuple[set[int], set[int]]:
    """Until nothing is held: what a program had begun to enter is in the table the next time."""
    refused, released = set[int](), set[int]()
    for _ in range(_ROUNDS):
        rows = [row for row in backend.flows() if row.seen.state in (*release.HELD, State.REFUSED)]
        rows = [row for row in rows if row.seen.cookie not in refused]
        if not rows:
            return refused, released
        released |= {row.seen.cookie for row in rows if _released(backend, row)}
        denied = [row for row in rows if release.deny(backend, row.seen.cookie)]
        _reset(denied)
        refused |= {row.seen.cookie for row in denied}
    raise Unavailable("connections go on to be held, though none should begin: call 'tlshub-capture detach' again")


def _released(backend: CaptureBackend, row: FlowKept) -> bool:
    """Where its rule prefers only and nobody was asked; whoever sleeps is woken."""
    seen = row.seen
    if seen.mode is not Mode.PREFER or backend.move(seen.cookie, State.NEW, State.CLEAR) is not State.NEW:
        return False
    sock = descriptor.take(row.owned.owner, seen.cookie) if row.established and row.owned else None
    if sock is not None:
        release.wake(sock)
        descriptor.let_go(sock)
    return True


def _reset(rows: Sequence[FlowKept]) -> None:
    """In whichever network namespace they are: one that is denied only would go on once the gate is gone."""
    if rows and (failures := everywhere(partial(_destroy, rows))):
        raise Unavailable("connections that are refused cannot be reset: " + "; ".join(failures))


def _destroy(rows: Sequence[FlowKept]) -> None:
    for row in rows:
        sockdiag.destroy(row.seen.cookie, row.seen.tuple, row.seen.side)
