# SPDX-License-Identifier: Apache-2.0
"""A module may do its work inside the call that sends: the agent's loop goes on meanwhile, and gives up in time."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from tlshub_capture_tlshub import channel
from tlshub_capture_tlshub.client import Client
from tlshub_capture_tlshub.wire import Opcode, Status

from plugins.tlshub.tests.nodes import ASK
from plugins.tlshub.tests.stand_in import FETCH, StandIn
from tlshub_core.api import Unavailable
from tlshub_core.testing.exchanges import until


class Module:
    """Holds whoever sends, once it is told to."""

    def __init__(self) -> None:
        self.busy, self.done = threading.Event(), threading.Event()
        self.sockets: list[socket.socket] = []

    def socket(self, *arguments: int) -> socket.socket:
        """A real socket whose sends take as long as the module wants."""
        outer = self

        class Held(socket.socket):
            def sendto(self, data: bytes, address: tuple[int, int]) -> int:  # type: ignore[override]
                if outer.busy.is_set():
                    assert outer.done.wait(20)
                return super().sendto(data, address)

        self.sockets.append(Held(*arguments))
        return self.sockets[-1]


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Module]:
    module = Module()
    monkeypatch.setattr(channel, "socket", module.socket)
    yield module
    module.done.set()


async def test_the_loop_goes_on_while_a_send_lasts(module: StandIn, client: Client, held: Module) -> None:
    await client.init()
    held.busy.set()
    fetching = asyncio.create_task(client.fetch(ASK[Opcode.FETCH]))
    await asyncio.sleep(0.05)
    assert not fetching.done() and FETCH not in module.opcodes()
    held.done.set()
    assert (await fetching).status is Status.NOT_DONE


async def test_a_send_that_lasts_too_long_is_given_up_and_its_socket_closed_after_it(
    module: StandIn, hasty: Client, held: Module
) -> None:
    await hasty.init()
    held.busy.set()
    began = time.monotonic()
    with pytest.raises(Unavailable, match="did not answer FETCH"):
        await hasty.fetch(ASK[Opcode.FETCH])
    assert time.monotonic() - began < 5
    assert held.sockets[-1].fileno() >= 0
    held.done.set()
    await until(lambda: FETCH in module.opcodes())
    await until(lambda: held.sockets[-1].fileno() < 0)
