# SPDX-License-Identifier: Apache-2.0
"""Which hold a kernel gets: the gate where it can have it, or else the weaker one, and why."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
from collections.abc import Callable, Collection

from tlshub_capture_bpf import signals
from tlshub_capture_bpf.programs import Hold, Programs
from tlshub_core.api import Unavailable, Unsupported

WEAKER = (
    "whole processes are stopped while a connection of theirs is held, and a non-blocking one that is used before "
    "poll() says that it is there is refused (hold 'stop', see docs/limits.md)"
)
GATES, STOPS = "gate_send", "has_begun_4"  # one of each hold's own programs; alone, the latter does nothing
# What a kernel lacks it says by other numbers, and not all by the same.
PASSING = frozenset(
    {
        errno.E2BIG,
        errno.EAGAIN,
        errno.EBUSY,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOMEM,
        errno.EPERM,
        errno.ETIMEDOUT,
    }
)
_log = logging.getLogger("tlshub.capture")


def brought(load: Callable[[Hold], Programs], asked: Hold | None, *, gated: bool) -> Programs:
    """Programs that `load` brings for the hold that is `asked` for, or for the best that this kernel takes; announced.

    `gated`: the gate is attached already, so that the kernel was asked. Raises Unavailable where it takes neither, or
    cannot tell now; OSError, Unsupported.
    """
    if asked is not None:
        found = _checked(load, asked, gated)
        _log.info("connections are held by '%s', as configured", asked)
        return found
    gate = _checked_or_lack(load, Hold.GATE, gated)
    if isinstance(gate, Programs):
        return gate
    stop = _checked_or_lack(load, Hold.STOP, gated)
    if not isinstance(stop, Programs):
        raise Unavailable(f"this kernel can neither keep calls back ({gate}) nor stop processes ({stop})") from stop
    _log.warning("%s: this kernel cannot keep calls back (%s)", WEAKER, gate)
    return stop


def is_gated(links: Collection[str]) -> bool:
    """Whether an agent has attached the gate by these: one that got no further left the other hold's beside it."""
    return GATES in links and STOPS not in links


def try_one(programs: Programs, hold: Hold) -> None:
    """Hold a child of ours, or attach what does nothing, for a moment: some kernels refuse it only then.

    Raises OSError, Unsupported, Unavailable where the child got no time.
    """
    if hold is Hold.GATE:
        signals.check(programs)
    else:
        os.close(programs.attach_one(STOPS))


def lacks(error: OSError | Unsupported) -> bool:
    """Whether the kernel can never do what failed so; else it could not now, or not for this process."""
    return isinstance(error, Unsupported) or error.errno not in PASSING


def _checked_or_lack(load: Callable[[Hold], Programs], hold: Hold, gated: bool) -> Programs | OSError | Unsupported:
    try:
        return _checked(load, hold, gated)
    except (OSError, Unsupported) as error:
        if not lacks(error):
            raise
        return error


def _checked(load: Callable[[Hold], Programs], hold: Hold, gated: bool) -> Programs:
    programs = load(hold)
    with contextlib.ExitStack() as failed:
        failed.callback(programs.close)
        if hold is Hold.STOP or not gated:
            try_one(programs, hold)
        failed.pop_all()
    return programs
