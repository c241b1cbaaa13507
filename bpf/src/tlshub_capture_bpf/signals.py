# SPDX-License-Identifier: Apache-2.0
"""Asks the kernel whether a pair of signals holds a thread without stopping it, before the gate relies on it."""

from __future__ import annotations

import os
import signal
import socket
import time

from tlshub_capture_bpf.layout import U32, U64
from tlshub_capture_bpf.programs import PROBE, Programs
from tlshub_core.api import Unavailable, Unsupported

PATIENCE_S = 30.0  # a machine that is busy lets the child wait, and no agent should fail to start for that


def check(programs: Programs) -> None:
    """Restart three sends of a child of ours by the gate's own means; raises Unsupported where the child stops.

    Unavailable where it got no time; OSError.
    """
    link = programs.attach_one(PROBE)
    near, far = socket.socketpair(socket.AF_UNIX)
    try:
        child = os.fork()
        if not child:
            _send(programs, near)
        _await(child)
    finally:
        near.close()
        far.close()
        os.close(link)
    left = programs.map("probing", U64.size).get(U32.pack(0))
    if left is None or U64.unpack(left)[0] & 0xFFFFFFFF:
        raise Unsupported("the kernel did not restart a held call: the gate cannot hold, use rules of mode 'observe'")


def _send(programs: Programs, sock: socket.socket) -> None:
    status = 1
    try:
        programs.call("arm_probe")()
        status = 0 if sock.send(b"x") == 1 else 1
    finally:
        os._exit(status)


def _await(child: int) -> None:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        pid, status = os.waitpid(child, os.WNOHANG | os.WUNTRACED)
        if pid and os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0:
            return
        if pid:
            break
        time.sleep(0.005)
    if not pid or os.WIFSTOPPED(status):
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    if not pid:
        late = f"a held thread did not go on within {PATIENCE_S:.0f} s"
        raise Unavailable(f"{late}: start again when this machine is less busy, or set 'hold' to 'stop'")
    raise Unsupported("on this kernel a held thread is stopped, or its call fails: the gate is refused")
