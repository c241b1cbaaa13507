# SPDX-License-Identifier: Apache-2.0
"""How a connection ends that did not become KTLS: by its rule, and said; whoever decided, the agent or the programs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from socket import socket

from tlshub_core.pipeline import descriptor, release
from tlshub_core.pipeline.owners import Owners
from tlshub_core.pipeline.tools import Tools
from tlshub_core.types import events
from tlshub_core.types.capture import FlowEstablished, State
from tlshub_core.types.errors import Reason, TlshubError, Unavailable, Unsupported
from tlshub_core.types.flow import Flow, Mode, Side

SUSPECT_S = 1.0  # by then a peer that was promised it has let its SYN go, and it has come
TRANSLATED = "its address may have been translated on the way: another one was promised, and has not come"


class Ending:
    """What became of a connection (`outcome`) and why, and the socket that was taken for it, if one was."""

    def __init__(
        self, tools: Tools, flow: Flow, owners: Owners, established: asyncio.Future[FlowEstablished], born_ns: int
    ) -> None:
        self._tools, self._flow, self._owners, self._established = tools, flow, owners, established
        self._born_ns, self._translated = born_ns, False
        self._may_go_in_clear = flow.mode is Mode.PREFER and flow.side is Side.SERVER
        self.outcome: State | None = None
        self.reason: Reason | None = None
        self.socket: socket | None = None

    def state(self) -> State | None:
        """Where the flow stands in the kernel; None where it is gone."""
        return self._tools.backend.move(self._flow.cookie, State.NEW, State.NEW)

    def look(self) -> None:
        """Take the socket, where somebody is known to have it; who took it lets go of it."""
        self.socket = self.socket or self._owners.try_take()

    def fail(self, error: TlshubError) -> None:
        """Release in clear where that is allowed, refuse else; nothing where the application closed it first."""
        flow, now = self._flow, time.monotonic_ns()
        state = self.state()
        if state is None or (state is State.CLEAR and flow.passthrough):
            return  # left alone meanwhile, as was agreed with the peer: the programs say so
        error = self._suspected(error)
        reason = getattr(error, "reason", Reason.UNSUPPORTED if isinstance(error, Unsupported) else Reason.DEADLINE)
        if release.clear(self._tools.backend, flow.cookie, flow.mode, error):
            self._cleared(reason)
            if self._may_go_in_clear:
                self._tools.promises.let_go(flow.tuple, flow.deadline_ns)
            self._tools.agent.emit(events.ReleasedClear(time_ns=now, flow=flow.id, reason=reason, detail=str(error)))
            return
        self._refuse(reason)
        self._tools.agent.emit(events.Refused(time_ns=now, flow=flow.id, reason=reason, detail=str(error)))

    @contextmanager
    def looked_into(self) -> Iterator[None]:
        """Meanwhile an accepting end is suspected long before its deadline, at which the programs would release it."""
        if not self._may_go_in_clear:
            yield
            return
        timer = asyncio.get_running_loop().call_later(SUSPECT_S, self._suspect)
        try:
            yield
        finally:
            timer.cancel()

    def _suspect(self) -> None:
        """One whose other end may be in TLS, by another address, does not go in clear."""
        if self.state() is State.NEW and self._tools.promises.may_be(self._flow.tuple, self._born_ns):
            self._translated = self._tools.backend.move(self._flow.cookie, State.NEW, State.ASKED) is State.NEW

    def _suspected(self, error: TlshubError) -> TlshubError:
        """The same, whatever went wrong here."""
        if self._may_go_in_clear and not self._translated:
            self._suspect()
        return Unavailable(f"{error}; {TRANSLATED}", Reason.NOT_YOURS) if self._translated else error

    def is_left_alone(self) -> bool:
        """Whether the programs put it in clear, as agreed with the peer, before the agent heard of it; they say so."""
        return self.state() is State.CLEAR

    def left_alone(self) -> None:
        """Both ends agreed: this one goes in clear, unless the programs were quicker; then they say so themselves."""
        before = self._tools.backend.move(self._flow.cookie, State.NEW, State.CLEAR)
        if before is not State.NEW:
            return
        self._cleared(Reason.PASSTHROUGH)
        now, why = time.monotonic_ns(), "the application speaks TLS itself"
        clear = events.ReleasedClear(time_ns=now, flow=self._flow.id, reason=Reason.PASSTHROUGH, detail=why)
        self._tools.agent.emit(clear)

    def decided(self, state: State, reason: Reason) -> None:
        """The programs decided alone; make it known, and wake whoever waits."""
        now, detail = time.monotonic_ns(), "decided in the kernel"
        if state is self.outcome:
            return  # the agent came to the same end first, and said so
        if state is State.CLEAR:
            self._cleared(reason)
            self._tools.agent.emit(events.ReleasedClear(time_ns=now, flow=self._flow.id, reason=reason, detail=detail))
        else:
            self._refuse(reason)
            self._tools.agent.emit(events.Refused(time_ns=now, flow=self._flow.id, reason=reason, detail=detail))

    def abandon(self, reason: Reason) -> None:
        """The agent stops: end what is still held by the flow's rule."""
        if self.state() in release.HELD:
            self.fail(Unavailable("the agent stops", reason))

    def close(self) -> None:
        """Reset a connection that is open; whoever calls says why."""
        self._refuse(None)

    def _cleared(self, reason: Reason) -> None:
        self.outcome, self.reason = State.CLEAR, reason
        sock = self._owners.try_take() if self._established.done() else None
        if sock is not None:
            release.wake(sock)
            descriptor.let_go(sock)

    def _refuse(self, reason: Reason | None) -> None:
        self.outcome, self.reason = State.REFUSED, reason
        sock = self.socket or self._owners.try_take()
        backend, destroyer = self._tools.backend, self._tools.destroyer
        release.refuse(backend, self._flow.cookie, self._flow.tuple, self._flow.side, sock, destroyer)
        if sock is not None and sock is not self.socket:
            descriptor.let_go(sock)
