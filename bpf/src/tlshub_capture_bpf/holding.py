# SPDX-License-Identifier: Apache-2.0
"""Which hold a kernel gets: the gate where it can have it, or else the weaker one, and why."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable

from tlshub_capture_bpf import signals
from tlshub_capture_bpf.programs import PROBE, Hold, Programs
from tlshub_core.api import TlshubError, Unavailable

WEAKER = "whole processes are stopped while a connection of theirs is held (hold 'stop', see docs/limits.md)"
HARMLESS = {Hold.GATE: PROBE, Hold.STOP: "has_begun_4"}
_log = logging.getLogger("tlshub.capture")


def brought(load: Callable[[Hold], Programs], asked: Hold | None, *, at_work: bool) -> Programs:
    """Programs that `load` brings for the hold that is `asked` for, or for the best that this kernel takes; announced.

    `at_work`: programs are attached already, so that the kernel was asked. Raises Unavailable where it takes neither,
    OSError, Unsupported.
    """
    if asked is not None:
        found = _checked(load, asked, at_work)
        _log.info("connections are held by '%s', as configured", asked)
        return found
    try:
        return _checked(load, Hold.GATE, at_work)
    except (OSError, TlshubError) as error:
        why = error
    try:
        found = _checked(load, Hold.STOP, at_work)
    except (OSError, TlshubError) as error:
        raise Unavailable(f"this kernel can neither keep calls back ({why}) nor stop processes ({error})") from error
    _log.warning("%s: this kernel cannot keep calls back (%s)", WEAKER, why)
    return found


def try_one(programs: Programs, hold: Hold) -> None:
    """Attach one that does nothing, for a moment: some kernels refuse it only then. Raises OSError."""
    os.close(programs.attach_one(HARMLESS[hold]))


def _checked(load: Callable[[Hold], Programs], hold: Hold, at_work: bool) -> Programs:
    programs = load(hold)
    with contextlib.ExitStack() as failed:
        failed.callback(programs.close)
        if hold is Hold.STOP:
            try_one(programs, hold)
        elif not at_work:
            signals.check(programs)
        failed.pop_all()
    return programs
