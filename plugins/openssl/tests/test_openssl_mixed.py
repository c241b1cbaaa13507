# SPDX-License-Identifier: Apache-2.0
"""Whatever breaks, and whatever is translated on the way: never is one end in TLS and the other in clear."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from itertools import product
from pathlib import Path
from socket import socket

import pytest
from tlshub_capture_openssl import tlshub_key_providers
from tlshub_capture_openssl.engine import engines

from plugins.openssl.tests import halves
from plugins.openssl.tests.faults import FAULTS, Break, nothing
from plugins.openssl.tests.halves import Half
from tlshub_core.api import FlowKeys, KeyProviderSpec, Mode, Side, State, Tuple4
from tlshub_core.peering.provider import PeeringProvider
from tlshub_core.peering.settings import Settings
from tlshub_core.pipeline import ktls
from tlshub_core.pipeline.descriptor import cookie_of
from tlshub_core.testing import pair as pairs
from tlshub_core.testing.exchanges import plain
from tlshub_core.testing.node import HERE, ISNS, THERE, Link
from tlshub_core.types.capture import Owner

PATIENCE_S = 1.5
DECIDED = {State.OPEN, State.REFUSED, State.CLEAR}
Keys = dict[int, list[object]]


def as_it_is(tuple4: Tuple4) -> Tuple4:
    """No translation."""
    return tuple4


def source(tuple4: Tuple4) -> Tuple4:
    """The client's end is another."""
    return replace(tuple4, client=IPv4Address("10.9.9.9"), client_port=tuple4.client_port ^ 1)


def destination(tuple4: Tuple4) -> Tuple4:
    """The server's end is another."""
    return replace(tuple4, server_port=tuple4.server_port ^ 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A connection: is its SYN held, how is it translated; and its two ends."""

    warm: bool
    translated: Callable[[Tuple4], Tuple4]
    link: Link

    async def run(self, client: Half, server: Half) -> tuple[State, State | None]:
        """What becomes of both ends; None where the SYN never went."""
        ours, theirs = self.link.cookie, cookie_of(self.link.server)
        client.backend.warm_peers[self.link.tuple4.server] = self.warm
        client.backend.begin(Side.CLIENT, self.link.tuple4, cookie=ours, owner=self.link.owner)
        if not self.warm:
            await _state(client, ours, DECIDED | {State.ARMED})
            if client.backend.table[ours].state is State.REFUSED:
                return State.REFUSED, None
        server.backend.begin(Side.SERVER, self.translated(self.link.tuple4), cookie=theirs)
        for half, cookie in ((server, theirs), (client, ours)):
            half.backend.establish(cookie, ISNS)
        server.backend.own(theirs, Owner(pid=self.link.owner.pid, fd=self.link.server.fileno(), inode=0, comm="test"))
        return await _state(client, ours, DECIDED), await _state(server, theirs, DECIDED)


async def _state(half: Half, cookie: int, wanted: set[State]) -> State:
    """The state, once it is one of these; where it takes longer than any deadline, the programs end it."""
    try:
        async with asyncio.timeout(3 * PATIENCE_S):
            while half.backend.table[cookie].state not in wanted:  # noqa: ASYNC110 - what a kernel would do
                await asyncio.sleep(0.005)
    except TimeoutError:
        half.backend.expire(cookie)
    return half.backend.table[cookie].state


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Keys:
    """The keys that each socket was given, by its cookie."""
    found: Keys = {}

    def install(sock: socket, keys: FlowKeys, side: Side) -> tuple[int, int]:
        found[cookie_of(sock)] = plain(keys)
        return time.monotonic_ns(), time.monotonic_ns()

    monkeypatch.setattr(ktls, "install", install)
    monkeypatch.setattr(halves, "PATIENCE_NS", int(PATIENCE_S * 1e9))
    return found


@pytest.mark.parametrize("fault", FAULTS)
async def test_it_is_never_mixed(
    tmp_path: Path, installed: Keys, monkeypatch: pytest.MonkeyPatch, fault: Break
) -> None:
    fault(monkeypatch)
    modes = product((Mode.PREFER, Mode.REQUIRE), repeat=2)
    folders = (tmp_path / str(number) for number in range(4))
    ended = await asyncio.gather(*(_all_ways(*place, installed) for place in zip(folders, modes, strict=True)))
    for ours, theirs, case, ends in (one for some in ended for one in some):
        assert set(ends) != {State.OPEN, State.CLEAR}, (ours, theirs, case)
        assert set(ends) <= {*DECIDED, None}, (ours, theirs, case, ends)
        if fault is nothing and case.translated is as_it_is:
            assert ends == (State.OPEN, State.OPEN), (ours, theirs, case)


async def _all_ways(
    folder: Path, modes: tuple[Mode, Mode], installed: Keys
) -> list[tuple[Mode, Mode, Case, tuple[State, State | None]]]:
    ways = product((True, False), (as_it_is, source, destination))
    cases = [Case(warm=warm, translated=translated, link=Link.make()) for warm, translated in ways]
    places = zip(pairs.identities(folder, pairs.free_port()), modes, (HERE, THERE), strict=True)
    client, server = (
        Half(who, folder, mode, [_listens(at)], patience_ns=halves.PATIENCE_NS) for who, mode, at in places
    )
    async with server.running(), client.running():
        ended = await asyncio.gather(*(case.run(client, server) for case in cases))
    for case, ends in zip(cases, ended, strict=True):
        if ends == (State.OPEN, State.OPEN):
            assert installed[case.link.cookie] == installed[cookie_of(case.link.server)]
        case.link.close()
    return [(*modes, case, ends) for case, ends in zip(cases, ended, strict=True)]


def _listens(at: str) -> KeyProviderSpec:
    (spec,) = tlshub_key_providers()
    return replace(spec, factory=lambda _: PeeringProvider("openssl", engines, Settings(listen=at)))
