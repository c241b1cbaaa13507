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
import select
import socket
import stat
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tlshub_capture_bpf import layout
from tlshub_capture_bpf.libbpf import Call, Libbpf
from tlshub_capture_bpf.maps import Map
from tlshub_core import privileges, process
from tlshub_core.pipeline import descriptor, release
from tlshub_core.types.capture import Owner, State
from tlshub_core.types.flow import Side, Tuple4

TICK_S = 0.05
SWEPT = 64  # at once, as in sweep.bpf.h
NAME = "tlshub-guard"
NEVER_KILLED = -1000  # of /proc/PID/oom_score_adj
_log = logging.getLogger("tlshub.guard")


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """A flow that was refused or released, and whoever sleeps for it does not know."""

    cookie: int
    state: State
    side: Side
    tuple: Tuple4
    owner: Owner


class Sweeper:
    """Asks the programs; `life` is the agent's whose guard this is, `died_ns` when it ended."""

    def __init__(self, libbpf: Libbpf, sweep: int, ended: int, life: int, died_ns: int) -> None:
        self._call = Call(libbpf, sweep, layout.SWEEP.size)
        self._ended = Map(libbpf, ended, layout.SWEPT.size)
        self._life, self._died_ns = life, died_ns

    def sweep(self, give_up: bool) -> list[Swept] | None:
        """The flows of now to be ended, some of them where there are many; None where another agent has taken over."""
        context = layout.SWEEP.pack(self._life, self._died_ns, give_up, 0, 0, 0)
        _, _, _, found, replaced, _ = layout.SWEEP.unpack(self._call(context))
        values = [] if replaced else [self._ended.get(layout.U32.pack(at)) for at in range(found)]
        return None if replaced else [unpacked(value) for value in values if value is not None]


def unpacked(value: bytes) -> Swept:
    """One entry of the map 'ended'."""
    cookie, state, side, tuple_, owner = layout.SWEPT.unpack(value)
    return Swept(
        cookie=cookie,
        state=State(state),
        side=Side(side),
        tuple=layout.unpack_tuple(tuple_, Side(side)),
        owner=layout.unpack_owner(owner),
    )


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


def keep(sweeper: Sweeper, died_ns: int, handshake_ns: int) -> None:
    """Until another agent has taken over."""
    given_up = False
    while (flows := sweeper.sweep(given_up)) is not None:
        for flow in flows:
            end(flow)
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
    """LIFE HANDSHAKE_NS, and three descriptors: the agent's process, the program 'sweep', the map 'ended'."""
    life, handshake_ns, agent, sweep, ended = map(int, words)
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    _be_safe()
    libbpf = Libbpf()
    select.select([agent], [], [])
    died_ns = time.monotonic_ns()
    os.close(agent)
    _let_readers_go()
    keep(Sweeper(libbpf, sweep, ended, life, died_ns), died_ns, handshake_ns)


if __name__ == "__main__":
    main(sys.argv[1:])
