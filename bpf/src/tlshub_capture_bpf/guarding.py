# SPDX-License-Identifier: Apache-2.0
"""The agent's side of its guard: start it, start another one where it ends, and end it with the programs."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys

from tlshub_capture_bpf import layout
from tlshub_capture_bpf.libbpf import Libbpf
from tlshub_capture_bpf.maps import Map, Shape
from tlshub_capture_bpf.pins import MAPS, Pins
from tlshub_capture_bpf.programs import Hold, Programs
from tlshub_capture_bpf.stops import STOPS
from tlshub_core import process

AGAIN_S = 1.0
AT_ONCE_S = 1.0
GUARD = "tlshub_capture_bpf.guard"
ZERO = layout.U32.pack(0)
_log = logging.getLogger("tlshub.capture")


class Guarding:
    """A guard for as long as the agent lives, and after; `life` names it in the settings, it is process `agent`."""

    def __init__(self, programs: Programs, life: int, handshake_ns: int, agent: int) -> None:
        self._sweep, self._ended = programs.descriptor("sweep"), programs.map("ended", 0).fd
        self._stops = [programs.map(name, 0).fd for name in STOPS] if programs.hold is Hold.STOP else []
        self._life, self._handshake_ns, self._agent = life, handshake_ns, agent
        self._child: subprocess.Popen[bytes] | None = None
        self._pidfd = -1
        self._again: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Start it; call this before the settings name this life, so that there is none without a guard."""
        self._again, agent = None, os.pidfd_open(self._agent)
        try:
            given = (agent, self._sweep, self._ended, *self._stops)
            words = [str(number) for number in (self._life, self._handshake_ns, *given)]
            command = [sys.executable, "-P", "-m", GUARD, *words]
            nothing = subprocess.DEVNULL
            self._child = subprocess.Popen(
                command, pass_fds=given, stdin=nothing, stdout=nothing, start_new_session=True
            )
        finally:
            os.close(agent)
        self._pidfd = os.pidfd_open(self._child.pid)
        asyncio.get_running_loop().add_reader(self._pidfd, self._lost)

    def _lost(self) -> None:
        assert self._child is not None
        self._forget()
        _log.warning("the guard ended with status %d, and is started anew", self._child.wait())
        self._later()

    def _later(self) -> None:
        self._again = asyncio.get_running_loop().call_later(AGAIN_S, self._restart)

    def _restart(self) -> None:
        try:
            self.start()
        except OSError as error:
            _log.error("the guard cannot be started, and is tried again: %s", error)
            self._later()

    def _forget(self) -> None:
        if self._pidfd >= 0:
            asyncio.get_running_loop().remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1

    def end(self, *, stop: bool) -> None:
        """The agent ends, and its guard begins to work; or it is stopped, since what it would guard is detached."""
        self._forget()
        if self._again is not None:
            self._again.cancel()
        if stop and self._child is not None:
            self._child.terminate()
            self._child.wait()


def end_guard(libbpf: Libbpf, pins: Pins) -> None:
    """The guard of a dead agent, if there is one, ends: what it guards will be detached. Raises OSError."""
    fd = pins.get(MAPS, "settings")
    if fd is None:
        return
    try:
        dismiss(Map(libbpf, fd, Shape.of(libbpf, fd).value_size))
    finally:
        os.close(fd)


def dismiss(settings: Map) -> None:
    """No agent's guard has anything to do any more; returns when it has ended, after AT_ONCE_S at most.

    No process is ended by its number, which may be another's by now. Raises OSError.
    """
    guard = _disown(settings)
    try:
        pidfd = os.pidfd_open(guard) if guard else -1
    except ProcessLookupError:
        return
    if pidfd >= 0:
        process.await_end(pidfd, AT_ONCE_S)
        os.close(pidfd)


def _disown(settings: Map) -> int:
    """No life is the one in the settings; which process guarded it, 0 where none was at work."""
    value = settings.get(ZERO)
    assert value is not None, "an array has all its values"
    number = layout.U64.size
    settings.put(ZERO, value[: layout.LIFE_AT] + bytes(number) + value[layout.LIFE_AT + number :])
    return int(layout.U64.unpack_from(value, layout.GUARD_AT)[0])
