# SPDX-License-Identifier: Apache-2.0
"""What the agent does at a signal."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Coroutine

from tlshub_core.types.errors import TlshubError

_log = logging.getLogger("tlshub.agent")


def watch(stop: Callable[[], None], reload: Callable[[], Coroutine[None, None, None]]) -> None:
    """Stop at SIGTERM and SIGINT; reload at SIGHUP, where a failure is logged: nobody awaits what a signal began."""
    loop, tasks = asyncio.get_running_loop(), set[asyncio.Task[None]]()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)

    def begin() -> None:
        task = asyncio.create_task(_logged(reload))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    loop.add_signal_handler(signal.SIGHUP, begin)


async def _logged(reload: Callable[[], Coroutine[None, None, None]]) -> None:
    try:
        await reload()
    except (TlshubError, OSError) as error:
        _log.error("not reloaded, the old rules and mapping stay: %s", error)
