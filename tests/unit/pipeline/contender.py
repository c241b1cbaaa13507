# SPDX-License-Identifier: Apache-2.0
"""Providers that race for an accepted connection and answer when a test says so."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address
from socket import socket
from uuid import uuid4

from tlshub_core.pipeline.asked import Asked
from tlshub_core.pipeline.race import Race
from tlshub_core.types.errors import TlshubError, Unavailable
from tlshub_core.types.flow import Endpoint, Flow, Isns, Mode, Side
from tlshub_core.types.keys import FlowKeys


def flow(mode: Mode) -> Flow:
    """An accepted connection."""
    client, server = (Endpoint(address=IPv4Address(f"10.0.0.{host}"), port=80) for host in (1, 2))
    return Flow(
        id=uuid4(), cookie=1, side=Side.SERVER, client=client, server=server, peer=None, rule="web", mode=mode,
        deadline_ns=0,
    )  # fmt: skip


class Noting:
    """A Pending of which it is known whether it was discarded."""

    def __init__(self) -> None:
        self.discarded = 0

    async def keys(self, isns: Isns, sock: socket | None) -> FlowKeys:
        """Nobody asks for them."""
        raise Unavailable("not in this test")

    def discard(self) -> None:
        """Counted."""
        self.discarded += 1


class Contender:
    """A provider that answers when the test says so; `modes` are those of the flows that it was asked for."""

    def __init__(self, name: str, *, stubborn: bool = False) -> None:
        self.name, self.stubborn = name, stubborn
        self.modes: list[Mode] = []
        self.pendings: list[Noting] = []
        self.cancelled = 0
        self._answers: list[asyncio.Future[None]] = []

    async def prepare(self, flow: Flow) -> Asked:
        """As told; a stubborn one does not let itself be cancelled."""
        self.modes.append(flow.mode)
        self._answers.append(asyncio.get_running_loop().create_future())
        try:
            await self._answers[-1]
        except asyncio.CancelledError:
            self.cancelled += 1
            if not self.stubborn:
                raise
        self.pendings.append(Noting())
        return Asked(provider=self.name, pending=self.pendings[-1])

    def agrees(self) -> None:
        """With its peer."""
        self._answers[-1].set_result(None)

    def fails(self, error: TlshubError) -> None:
        """Like this."""
        self._answers[-1].set_exception(error)


def entered(mode: Mode, *contenders: Contender) -> asyncio.Task[Asked]:
    """The race, begun."""
    return asyncio.create_task(Race(flow(mode), [contender.prepare for contender in contenders]).run())


async def all_asked(*contenders: Contender) -> None:
    """Wait until each was."""
    async with asyncio.timeout(5):
        while not all(contender.modes for contender in contenders):  # noqa: ASYNC110 - a record, with no event
            await asyncio.sleep(0.001)
