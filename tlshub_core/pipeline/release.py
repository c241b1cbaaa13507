# SPDX-License-Identifier: Apache-2.0
"""Step 6: let go of a connection, secured, in clear or refused, and wake whoever waits for it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from socket import IPPROTO_TCP, SO_RCVLOWAT, SOL_SOCKET, socket

from tlshub_core.pipeline import sockdiag
from tlshub_core.pipeline.sockdiag import Destroyer
from tlshub_core.types.capture import State
from tlshub_core.types.errors import Refused
from tlshub_core.types.flow import Mode, Side, Tuple4
from tlshub_core.types.interfaces import CaptureBackend

TCP_NOTSENT_LOWAT = 25
HELD = (State.NEW, State.ASKED, State.ARMED, State.INSTALLING)
_log = logging.getLogger("tlshub.release")


def wake_writer(sock: socket) -> None:
    """Raise the edge for a writer that met EAGAIN: setting this option to its own value calls sk_write_space."""
    sock.setsockopt(IPPROTO_TCP, TCP_NOTSENT_LOWAT, sock.getsockopt(IPPROTO_TCP, TCP_NOTSENT_LOWAT))


def wake(sock: socket) -> None:
    """Raise the edges for writers and readers of a connection that goes on in clear."""
    wake_writer(sock)
    sock.setsockopt(SOL_SOCKET, SO_RCVLOWAT, sock.getsockopt(SOL_SOCKET, SO_RCVLOWAT))


def clear(backend: CaptureBackend, cookie: int, mode: Mode, error: Exception) -> bool:
    """Release in clear where the rule prefers only, and the peer was not asked or refused; true where it is in clear.

    Anything else would leave one end in clear and the other in TLS. The programs may have been quicker, at the same
    deadline: what they released must not be reset.
    """
    if mode is not Mode.PREFER:
        return False
    if backend.move(cookie, State.NEW, State.CLEAR) in (State.NEW, State.CLEAR):
        return True
    refused_by_peer = isinstance(error, Refused) and error.by_peer
    return refused_by_peer and backend.move(cookie, State.ASKED, State.CLEAR) is State.ASKED


def deny(backend: CaptureBackend, cookie: int, states: Sequence[State] = HELD) -> bool:
    """Refuse the flow for good in the kernel, if it is in one of these states, in their order; whether it is."""
    for state in states:
        before = backend.move(cookie, state, State.REFUSED)
        if before in (state, None, State.REFUSED):
            return before is not None
    return False


def refuse(
    backend: CaptureBackend, cookie: int, tuple4: Tuple4, side: Side, sock: socket | None, by: Destroyer | None = None
) -> None:
    """Deny the flow for good in the kernel, then destroy its socket, which wakes every waiter and resets the peer."""
    deny(backend, cookie, (*HELD, State.OPEN))
    if not reset(cookie, tuple4, side, by) and sock is not None:
        disconnect(sock)


def reset(cookie: int, tuple4: Tuple4, side: Side, by: Destroyer | None = None) -> bool:
    """Destroy a refused socket of this network namespace; false where it is not there, or cannot be had."""
    try:
        return (by.destroy if by else sockdiag.destroy)(cookie, tuple4, side)
    except OSError as error:
        _log.error("cannot reset the refused connection %d: %s; its calls are denied all the same", cookie, error)
        return False


def disconnect(sock: socket) -> None:
    """Reset through the descriptor: the socket may live in a network namespace that is not the agent's."""
    with contextlib.suppress(OSError):  # a socket that is already closed needs no reset
        sockdiag.disconnect(sock.fileno())
