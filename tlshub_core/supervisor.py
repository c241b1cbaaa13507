# SPDX-License-Identifier: Apache-2.0
"""What systemd is told, where it is systemd that started the agent: sd_notify(3), a datagram per message."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager

BEATS = 3  # in the time after which systemd takes the agent for dead
_log = logging.getLogger("tlshub.supervisor")


class Supervisor:
    """Says when the agent captures, reloads and stops, and that its loop turns; without systemd it says nothing.

    A message that systemd does not take is logged, and nobody waits for it.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = _address(environment.get("NOTIFY_SOCKET", ""))
        self._patience_s = _watchdog_s(environment)
        self._socket: socket.socket | None = None

    def ready(self, status: str) -> None:
        """The agent captures."""
        self._tell("READY=1", f"STATUS={status}")

    @contextmanager
    def reloading(self) -> Iterator[None]:
        """Rules and mapping are read again; whether that succeeds or not, the agent then captures."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            yield
        finally:
            self._tell("READY=1")

    def stopping(self) -> None:
        """What is held is being decided."""
        self._tell("STOPPING=1", "STATUS=stopping")

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """As long as this block runs, the loop says that it turns, as often as systemd wants to know."""
        if not self._patience_s:
            yield
            return
        beating = asyncio.create_task(self._beat(self._patience_s / BEATS))
        try:
            yield
        finally:
            beating.cancel()

    async def _beat(self, every_s: float) -> None:
        while True:
            self._tell("WATCHDOG=1")
            await asyncio.sleep(every_s)

    def _tell(self, *lines: str) -> None:
        if not self._address:
            return
        try:
            if self._socket is None:
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                self._socket.setblocking(False)
            self._socket.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            _log.warning("systemd was not told '%s': %s", lines[0], error)


def _address(name: str) -> str:
    if name and name[0] not in "/@":
        _log.warning("systemd's socket '%s' is neither a path nor an abstract name: it is told nothing", name)
        return ""
    return name.replace("@", "\0", 1) if name.startswith("@") else name


def _watchdog_s(environment: Mapping[str, str]) -> float:
    """Seconds; 0 where nobody watches this process, see sd_watchdog_enabled(3)."""
    wanted, whose = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not wanted.isdecimal() or (whose and whose != str(os.getpid())):
        return 0.0
    return int(wanted) / 1e6
