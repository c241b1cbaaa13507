# SPDX-License-Identifier: Apache-2.0
"""Processes that the programs stopped, since their kernel keeps no call back; and how they go on."""

from __future__ import annotations

import contextlib
import os
import signal
from collections import defaultdict

from tlshub_capture_bpf.layout import FLOW, STOP, U32, U64
from tlshub_capture_bpf.libbpf import Libbpf
from tlshub_capture_bpf.maps import Map
from tlshub_core.types.capture import DECIDED, State

STOPS = ("stopped", "flows")


class Stops:
    """By the descriptors of the maps STOPS."""

    def __init__(self, libbpf: Libbpf, stopped: int, flows: int) -> None:
        self._stopped, self._flows = Map(libbpf, stopped, U64.size), Map(libbpf, flows, FLOW.size)

    def let_go(self) -> None:
        """Have those go on of whose connections none is held any more; a process that a user stopped is none of them.

        One that was stopped for another connection in this very moment is stopped again. Raises OSError.
        """
        for pid, keys in self._by_process().items():
            if any(map(self._is_held, keys)):
                continue
            for key in keys:
                self._stopped.drop(key)
            tell(pid, signal.SIGCONT)
            if any(map(self._is_held, self._by_process().get(pid, ()))):
                tell(pid, signal.SIGSTOP)

    def _by_process(self) -> dict[int, list[bytes]]:
        found = defaultdict[int, list[bytes]](list)
        for key, _ in self._stopped.items(STOP.size):
            found[STOP.unpack(key)[1]].append(key)
        return found

    def _is_held(self, key: bytes) -> bool:
        row = self._flows.get(U64.pack(STOP.unpack(key)[0]))
        return row is not None and State(U32.unpack_from(row)[0]) not in DECIDED

    def all_go(self) -> None:
        """Have all go on: nothing is held any more. Raises OSError."""
        for pid, keys in self._by_process().items():
            for key in keys:
                self._stopped.drop(key)
            tell(pid, signal.SIGCONT)


def tell(pid: int, number: int) -> None:
    """Send a process a signal, if it is still there."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
