# SPDX-License-Identifier: Apache-2.0
"""What may go wrong between two agents' pipelines: put into the real code by pytest's monkeypatch."""

from __future__ import annotations

from collections.abc import Callable
from socket import socket

import pytest

from tlshub_core.api import Flow, FlowKeys, Isns, Pending, Side
from tlshub_core.peering.channel import Channel
from tlshub_core.peering.frames import Ready
from tlshub_core.peering.pending import SessionPending
from tlshub_core.peering.provider import PeeringProvider

Break = Callable[[pytest.MonkeyPatch], None]


def nothing(patch: pytest.MonkeyPatch) -> None:
    """All is well."""


def answers_are_lost(patch: pytest.MonkeyPatch) -> None:
    """The promise is made, and never heard."""
    send = Channel.send
    patch.setattr(Channel, "send", lambda self, frame: None if isinstance(frame, Ready) else send(self, frame))


def sessions_break_at_the_answer(patch: pytest.MonkeyPatch) -> None:
    """The promise is made, and the session goes with it."""
    send = Channel.send
    patch.setattr(Channel, "send", lambda self, frame: self.close() if isinstance(frame, Ready) else send(self, frame))


def _prepare_fails(patch: pytest.MonkeyPatch, side: Side, *, asked: bool) -> None:
    real = PeeringProvider.prepare

    async def prepare(self: PeeringProvider, flow: Flow) -> Pending:
        if flow.side is not side:
            return await real(self, flow)
        if asked:
            (await real(self, flow)).discard()
        raise KeyError("a provider's bug")

    patch.setattr(PeeringProvider, "prepare", prepare)


def the_server_fails_at_once(patch: pytest.MonkeyPatch) -> None:
    """Before or after it was promised, as it comes."""
    _prepare_fails(patch, Side.SERVER, asked=False)


def the_server_fails_when_all_is_agreed(patch: pytest.MonkeyPatch) -> None:
    """The client has its keys already."""
    _prepare_fails(patch, Side.SERVER, asked=True)


def the_client_fails_at_once(patch: pytest.MonkeyPatch) -> None:
    """Nobody is asked."""
    _prepare_fails(patch, Side.CLIENT, asked=False)


def the_client_fails_when_all_is_agreed(patch: pytest.MonkeyPatch) -> None:
    """The server was promised."""
    _prepare_fails(patch, Side.CLIENT, asked=True)


def keys_cannot_be_derived(patch: pytest.MonkeyPatch) -> None:
    """Both ends are armed by then."""

    async def keys(self: SessionPending, isns: Isns, sock: socket | None) -> FlowKeys:
        raise KeyError("a provider's bug")

    patch.setattr(SessionPending, "keys", keys)


FAULTS: tuple[Break, ...] = (
    nothing, answers_are_lost, sessions_break_at_the_answer, the_server_fails_at_once, the_client_fails_at_once,
    the_server_fails_when_all_is_agreed, the_client_fails_when_all_is_agreed, keys_cannot_be_derived,
)  # fmt: skip
