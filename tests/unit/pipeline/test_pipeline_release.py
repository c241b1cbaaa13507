# SPDX-License-Identifier: Apache-2.0
"""When a flow may go on in clear, and how one is refused."""

from __future__ import annotations

from itertools import product
from socket import IPPROTO_TCP, SO_RCVLOWAT, SOL_SOCKET

import pytest

from tlshub_core.pipeline import release, sockdiag
from tlshub_core.testing.matching import row, rule_set
from tlshub_core.testing.memory_backend import MemoryBackend
from tlshub_core.testing.node import Link
from tlshub_core.types.capture import State
from tlshub_core.types.errors import Reason, Refused, Unavailable
from tlshub_core.types.flow import Mode, Side

ERRORS = {
    "by peer": Refused("no", Reason.PEER_REFUSED, by_peer=True),
    "by us": Refused("no", Reason.NOT_MINE),
    "lost": Unavailable("gone", Reason.PEER_UNREACHABLE),
    "any": ValueError("bug"),
}
HELD = (Mode.PREFER, Mode.REQUIRE)


def table(link: Link, state: State) -> MemoryBackend:
    """A table with one flow, in that state."""
    backend = MemoryBackend(rule_set([row(Mode.PREFER)]))
    backend.begin(Side.CLIENT, link.tuple4, cookie=link.cookie)
    backend.move(link.cookie, State.NEW, state)
    return backend


@pytest.mark.parametrize(("state", "mode", "why"), list(product(State, HELD, ERRORS)))
def test_truth_table_of_the_release_in_clear(state: State, mode: Mode, why: str, link: Link) -> None:
    backend = table(link, state)
    allowed = mode is Mode.PREFER and (state in (State.NEW, State.CLEAR) or (state is State.ASKED and why == "by peer"))
    assert release.clear(backend, link.cookie, mode, ERRORS[why]) is allowed
    assert backend.table[link.cookie].state is (State.CLEAR if allowed else state)


def test_a_flow_that_is_gone_is_not_released(link: Link) -> None:
    assert not release.clear(MemoryBackend(), link.cookie, Mode.PREFER, ERRORS["by peer"])


@pytest.mark.parametrize("state", [state for state in State if state is not State.CLEAR])
def test_refusing_denies_first_and_resets_the_peer(state: State, link: Link) -> None:
    backend = table(link, state)
    release.refuse(backend, link.cookie, link.tuple4, Side.CLIENT, link.client)
    assert backend.table[link.cookie].state is State.REFUSED
    with pytest.raises(ConnectionResetError):
        link.server.recv(1)


def test_without_the_right_to_destroy_the_descriptor_serves(
    link: Link, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def forbidden(*_: object) -> bool:
        raise PermissionError(1, "not permitted")

    monkeypatch.setattr(sockdiag, "destroy", forbidden)
    release.refuse(table(link, State.NEW), link.cookie, link.tuple4, Side.CLIENT, link.client)
    with pytest.raises(ConnectionResetError):
        link.server.recv(1)
    assert "not permitted" in caplog.text


def test_a_socket_of_another_network_namespace_is_reset_by_descriptor(
    link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockdiag, "destroy", lambda *_: False)
    release.refuse(table(link, State.NEW), link.cookie, link.tuple4, Side.CLIENT, link.client)
    with pytest.raises(ConnectionResetError):
        link.server.recv(1)


def test_waking_changes_no_option(link: Link) -> None:
    def options() -> tuple[int, int]:
        lowat = link.client.getsockopt(IPPROTO_TCP, release.TCP_NOTSENT_LOWAT)
        return lowat, link.client.getsockopt(SOL_SOCKET, SO_RCVLOWAT)

    before = options()
    release.wake(link.client)
    assert options() == before
    link.client.setsockopt(IPPROTO_TCP, release.TCP_NOTSENT_LOWAT, 4096)
    release.wake(link.client)
    assert options() == (4096, before[1])
