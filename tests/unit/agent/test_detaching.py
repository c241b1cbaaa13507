# SPDX-License-Identifier: Apache-2.0
"""What becomes of each connection when what agents left is ended, in every state that it may be in."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

import pytest

from tlshub_core import detaching
from tlshub_core.detaching import Detached, detach
from tlshub_core.testing.backend_harness import OBSERVE
from tlshub_core.testing.matching import row, rule_set
from tlshub_core.testing.memory_backend import MemoryBackend
from tlshub_core.types.capture import CaptureSettings, FlowKept, State
from tlshub_core.types.errors import Unavailable
from tlshub_core.types.flow import Mode, Side, Tuple4

NOWHERE = ip_address("203.0.113.9")
SETTINGS = CaptureSettings(
    cgroup=Path("/"),
    cgroup_root=Path("/"),
    pins=Path("/nowhere"),
    table_size=16,
    handshake_ns=1,
    gate_ns=1,
    warm_ns=1,
    peering_port=4646,
)


def one_in_each_state(mode: Mode) -> tuple[MemoryBackend, dict[State, int]]:
    """Connections that are nobody's: there is no socket to reset."""
    backend, found = MemoryBackend(rule_set([row(mode)])), dict[State, int]()
    for number, state in enumerate(State):
        ends = Tuple4(client=NOWHERE, client_port=1000 + number, server=NOWHERE, server_port=80)
        found[state] = backend.begin(Side.SERVER, ends)
        backend.move(found[state], State.NEW, state)
    return backend, found


HELD = (State.NEW, State.ASKED, State.ARMED, State.INSTALLING)


@pytest.mark.parametrize("mode", [Mode.REQUIRE, Mode.PREFER])
async def test_nothing_that_was_to_wait_goes_on_by_itself(mode: Mode) -> None:
    backend, flows = one_in_each_state(mode)
    released = mode is Mode.PREFER
    found = await detach(backend, SETTINGS)
    assert found == Detached(programs=("memory",), refused=5 - released, released=released, secured=1, clear=1)
    ends = {state: backend.histories[cookie][-1] for state, cookie in flows.items()}
    assert ends == {
        **dict.fromkeys(HELD, State.REFUSED),
        State.NEW: State.CLEAR if released else State.REFUSED,
        **{state: state for state in (State.OPEN, State.REFUSED, State.CLEAR)},
    }
    assert not backend.table, "what was pinned is gone"


async def test_one_whose_install_was_finished_meanwhile_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    backend, flows = one_in_each_state(Mode.REQUIRE)
    listed: Callable[[], list[FlowKept]] = backend.flows  # type: ignore[assignment]

    def flows_then_opens() -> list[FlowKept]:
        rows = listed()
        backend.move(flows[State.INSTALLING], State.INSTALLING, State.OPEN)
        return rows

    monkeypatch.setattr(backend, "flows", flows_then_opens)
    found = await detach(backend, SETTINGS)
    assert (found.refused, found.secured) == (4, 2)


async def test_what_cannot_be_reset_is_held_on(monkeypatch: pytest.MonkeyPatch) -> None:
    backend, flows = one_in_each_state(Mode.REQUIRE)
    monkeypatch.setattr(detaching, "everywhere", lambda _work: ["'/proc/1/ns/net': not permitted"])
    with pytest.raises(Unavailable, match="cannot be reset: '/proc/1/ns/net': not permitted"):
        await detach(backend, SETTINGS)
    assert backend.table.keys() == set(flows.values()), "it is denied, and nothing is removed"


async def test_nothing_there() -> None:
    backend = MemoryBackend(OBSERVE)
    assert await detach(backend, SETTINGS) == Detached(programs=("memory",))
