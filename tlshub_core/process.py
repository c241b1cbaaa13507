# SPDX-License-Identifier: Apache-2.0
"""The agent's own process: nobody reads its memory, and no other program's spinning starves it; the end of another."""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import resource
import select
import signal
import time

PR_SET_DUMPABLE = 4
MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT = 1, 2, 4
RT_BUDGET_US, BREATH_S = 2_000_000, 0.02
COLLECT_AT = (50_000, 20, 50)  # most of a connection's objects go when it does, without a collection
_log = logging.getLogger("tlshub.process")


def say(line: str) -> None:
    """A start-up line, as the original tool prints them; flushed, since whoever waits for it reads a pipe."""
    print(line, flush=True)


def protect() -> None:
    """No core file, no ptrace by others, no swap: keys pass through this memory; as many descriptors as may be.

    Raises OSError.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_DUMPABLE)")
    if libc.mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT):
        _log.warning(
            "memory is not locked (%s; needs CAP_IPC_LOCK): keys may reach the swap", os.strerror(ctypes.get_errno())
        )


def await_end(pidfd: int, patience_s: float | None = None) -> None:
    """Returns when that process has ended, after `patience_s` at most; however many descriptors there are."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    poll.poll(None if patience_s is None else patience_s * 1000)


def settle_memory() -> None:
    """What start-up made stays, and is walked by no garbage collection; what connections leave is collected rarely."""
    gc.freeze()
    gc.set_threshold(*COLLECT_AT)


def hurry() -> None:
    """A small real-time priority, so that threads which wait in the gate cannot starve the agent; children lose it.

    Nor does the agent starve anybody: where it has run for long without a pause, it makes one.
    """
    _limit()
    signal.signal(signal.SIGXCPU, _breathe)
    try:
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    except PermissionError:
        _log.warning("no real-time priority (needs CAP_SYS_NICE): under load, held connections wait longer")


def relax() -> None:
    """Work is over: the priority goes, since the kernel ends who has it and makes no pause, as at exit."""
    if os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK == os.SCHED_RR:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_RTTIME, (RT_BUDGET_US, resource.RLIM_INFINITY))


def _breathe(_number: int, _frame: object) -> None:
    _limit()  # the kernel raised it with the signal
    time.sleep(BREATH_S)
    _log.warning("the agent ran for %d ms without a pause, and made one", RT_BUDGET_US // 1000)
