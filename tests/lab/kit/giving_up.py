# SPDX-License-Identifier: Apache-2.0
"""Ways for a program to be rid of a connection before its first byte."""

from __future__ import annotations

import os
import signal

from tests.lab.kit.handing import Get, Use, start_child
from tests.lab.kit.job import Say


def closed(say: Say, get: Get, _use: Use) -> bytes:
    """Closed at once."""
    get().close()
    say("done")
    return b""


def overwritten(say: Say, get: Get, _use: Use) -> bytes:
    """Its number becomes another file's."""
    sock = get()
    with open(os.devnull) as other:
        os.dup2(other.fileno(), sock.fileno())
    say("done")
    os.close(sock.detach())
    return b""


def lost_by_exec(say: Say, get: Get, _use: Use) -> bytes:
    """Left to a child that becomes another program, which does not inherit it (FD_CLOEXEC)."""
    with get() as sock:
        assert not sock.get_inheritable()
        child = start_child(lambda: os.execv("/bin/true", ["true"]))
    os.waitpid(child, 0)
    say("done")
    return b""


def killed(say: Say, get: Get, use: Use) -> bytes:
    """Its process is killed while it waits for the first byte."""
    out, into = os.pipe()

    def waits() -> None:
        with get() as sock:
            os.write(into, b"!")
            use(sock)

    child = start_child(waits)
    os.read(out, 1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    say("done")
    return b""
