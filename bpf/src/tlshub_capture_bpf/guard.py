# SPDX-License-Identifier: Apache-2.0
"""The guard: a small process that outlives the agent, and ends what nobody else would end.

While no agent lives, the programs hold, refuse and release by themselves; but a thread that sleeps in poll() makes no
call in which they could tell it. So the guard, which sleeps while its agent lives, asks every TICK_S for flows whose
deadline is over, resets or wakes their sockets, and after `handshake_deadline_ms` has the programs decide about new
connections at once. It ends when another agent has taken over, or when the programs are detached.

An agent that is stopped (SIGSTOP) is not dead: the deadlines go on in the programs, but whoever sleeps in poll() sleeps
until it goes on.

It has to outlive the agent, so whoever ends a service must not end all of its control group: for systemd that is
'KillMode=process' with 'OOMPolicy=continue', and no 'ExecStopPost' (a service is started anew only after that is over);
the processes of the sinks end by themselves. In a container it ends with the container: then the programs are alone
until the next agent, and sleepers sleep until then.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import stat
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tlshub_capture_bpf.libbpf import Libbpf
from tlshub_capture_bpf.stops import Stops
from tlshub_capture_bpf.sweeping import SWEPT, Sweeper, Swept
from tlshub_core import privileges, process
from tlshub_core.pipeline import descriptor, release
from tlshub_core.types.capture import State

TICK_S = 0.05
NAME = "tlshub-guard"
NEVER_KILLED = -1000  # of /proc/PID/oom_score_adj
_log = logging.getLogger("tlshub.guard")


def end(flow: Swept) -> None:
    """Reset a refused connection, wake whoever sleeps on one that was released; each by the descriptor if need be.

    One whose install was under way: an empty send passes the gate where it was complete, and makes the gate say so.
    """
    if flow.state is State.REFUSED and release.reset(flow.cookie, flow.tuple, flow.side):
        return
    sock = _taken(flow)
    if sock is None:
        return
    if flow.state is State.REFUSED:
        release.disconnect(sock)
    elif flow.state is State.CLEAR:
        release.wake(sock)
    else:
        with contextlib.suppress(OSError):  # not complete: held, or by now refused
            sock.send(b"", socket.MSG_DONTWAIT)
            release.wake(sock)
    descriptor.let_go(sock)


def _taken(flow: Swept) -> socket.socket | None:
    try:
        return descriptor.take(flow.owner, flow.cookie) if flow.owner.pid else None
    except OSError as error:
        _log.warning("cannot reach the socket of process %d: %s", flow.owner.pid, error.strerror)
        return None


def _end(flow: Swept) -> None:
    try:
        end(flow)
    except Exception:  # noqa: BLE001 - logged with its trace; nobody starts another guard while there is no agent
        _log.exception("bug in the guard: connection %d is denied, and whoever sleeps on it is not told", flow.cookie)


def keep(sweeper: Sweeper, died_ns: int, handshake_ns: int, stops: Stops | None = None) -> None:
    """Until another agent has taken over."""
    given_up = False
    while (flows := sweeper.sweep(given_up)) is not None:
        for flow in flows:
            _end(flow)
        if stops is not None:
            stops.let_go()
        if len(flows) < SWEPT:
            time.sleep(TICK_S)  # what is awaited is that time passes
        if not given_up and time.monotonic_ns() > died_ns + handshake_ns:
            given_up = True
            _log.warning("no agent: new connections are refused, or go in clear where their rule prefers only")


def _be_safe() -> None:
    process.protect()
    process.hurry()
    Path("/proc/self/comm").write_text(NAME)
    score = Path("/proc/self/oom_score_adj")
    try:
        score.write_text(str(NEVER_KILLED))
    except PermissionError:
        if int(score.read_text()) >= 0:
            _log.warning("the kernel may choose the guard where memory runs out (needs CAP_SYS_RESOURCE)")
    privileges.drop(privileges.RUNNING)


def _let_readers_go() -> None:
    """Whoever reads what the agent printed from a pipe finds its end."""
    if stat.S_ISFIFO(os.fstat(2).st_mode):
        os.dup2(0, 2)


def main(words: Sequence[str]) -> None:
    """LIFE HANDSHAKE_NS, and descriptors: the agent's process, the program 'sweep', the map 'ended'.

    Where processes are stopped, those of the maps 'stopped' and 'flows', too.
    """
    life, handshake_ns, agent, sweep, ended, *maps = map(int, words)
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    _be_safe()
    libbpf = Libbpf()
    process.await_end(agent)
    died_ns = time.monotonic_ns()
    os.close(agent)
    _let_readers_go()
    stops = Stops(libbpf, *maps) if maps else None
    keep(Sweeper(libbpf, sweep, ended, life, died_ns), died_ns, handshake_ns, stops)


if __name__ == "__main__":
    main(sys.argv[1:])
