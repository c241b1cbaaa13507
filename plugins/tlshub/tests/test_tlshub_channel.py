# SPDX-License-Identifier: Apache-2.0
"""One request in flight on each socket: a reply that is late, unasked or somebody else's is never the next one."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
import time

import pytest
from tlshub_capture_tlshub.client import Absent, Client
from tlshub_capture_tlshub.wire import Opcode, Request, Status

from plugins.tlshub.tests.nodes import ASK, MASTER, client_of
from plugins.tlshub.tests.stand_in import FETCH, INIT, PROTOCOL, START, StandIn, found, reply
from tlshub_core.api import (
    Unavailable,
)
from tlshub_core.testing import pair as pairs
from tlshub_core.testing.exchanges import until


async def test_silence_ends_in_time_and_a_late_reply_is_nobody_s(module: StandIn, hasty: Client) -> None:
    await hasty.init()
    module.once(FETCH, [])
    began = time.monotonic()
    with pytest.raises(Unavailable, match=r"did not answer FETCH within 0\.5 s"):
        await hasty.fetch(ASK[Opcode.FETCH])
    assert 0.5 <= time.monotonic() - began < 5
    with pytest.raises(ConnectionRefusedError):  # the socket that it is for is closed
        module.say(found(0, MASTER), module.senders[-1])
    assert (await hasty.fetch(ASK[Opcode.FETCH])).status is Status.NOT_DONE


async def test_a_request_that_is_given_up_closes_its_socket(module: StandIn, client: Client) -> None:
    await client.init()
    module.once(FETCH, [])
    waiting = asyncio.create_task(client.fetch(ASK[Opcode.FETCH]))
    await until(lambda: FETCH in module.opcodes())
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    with pytest.raises(ConnectionRefusedError):
        module.say(found(0, MASTER), module.senders[-1])


async def test_what_came_unasked_is_not_taken_for_the_next_reply(
    module: StandIn, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    assert (await client.fetch(ASK[Opcode.FETCH])).status is Status.NOT_DONE
    module.say(found(0, MASTER), module.senders[-1])
    assert (await client.fetch(ASK[Opcode.FETCH])).status is Status.NOT_DONE
    module.say(b"no reply at all", module.senders[-1])
    assert (await client.fetch(ASK[Opcode.FETCH])).status is Status.NOT_DONE
    assert [text for text in caplog.messages if "given up" in text] == [
        "a netlink socket to TLSHub's module is given up: a reply came that nobody waited for",
        "a netlink socket to TLSHub's module is given up: a reply of 15 bytes, expected 144",
    ]


async def test_an_idle_socket_is_used_again_and_its_log_lines_are_read(
    module: StandIn, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    await client.fetch(ASK[Opcode.FETCH])
    module.say(reply(4, b"by the way"), module.senders[-1])
    with caplog.at_level(logging.INFO):
        await client.fetch(ASK[Opcode.FETCH])
    assert module.senders[-1] == module.senders[-2]
    assert "TLSHub's module: by the way" in caplog.messages


async def test_another_process_cannot_answer(module: StandIn, client: Client, caplog: pytest.LogCaptureFixture) -> None:
    await client.init()
    module.once(FETCH, [])
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, PROTOCOL) as other:
        other.bind((0, 0))
        waiting = asyncio.create_task(client.fetch(ASK[Opcode.FETCH]))
        await until(lambda: FETCH in module.opcodes())
        other.sendto(found(0, MASTER), (module.senders[-1], 0))
        other.sendto(b"short", (module.senders[-1], 0))
        await until(lambda: len(caplog.messages) == 2)
        module.say(found(-2), module.senders[-1])
        assert (await waiting).status is Status.EXPIRED
        assert f"ignored a netlink message from port id {other.getsockname()[0]}" in caplog.messages[0]


async def test_replies_to_many_at_once_are_each_one_s_own(module: StandIn, client: Client) -> None:
    tuples = [pairs.flows(port)[0].tuple for port in range(40_000, 40_040)]
    for one in tuples:
        module.masters[one.client.packed + one.server.packed + struct.pack("!HH", one.client_port, 80)] = (
            struct.pack("!I", one.client_port) * 8
        )
    asked = [client.fetch(Request.about(Opcode.FETCH, one, server=False)) for one in tuples]
    for one, got in zip(tuples, await asyncio.gather(*asked), strict=True):
        assert bytes(got.master) == struct.pack("!I", one.client_port) * 8
    assert len(set(module.senders[1:])) <= 4


async def test_starts_that_hang_keep_no_fetch_waiting(module: StandIn) -> None:
    client = client_of(module, sockets=2, handshake_timeout_s=5)
    module.script = lambda opcode, _: [] if opcode == START else None
    starts = [asyncio.create_task(client.start(ASK[Opcode.START])) for _ in range(8)]
    await until(lambda: module.opcodes().count(START) == 2)
    assert (await client.fetch(ASK[Opcode.FETCH])).status is Status.NOT_DONE
    for start in starts:
        start.cancel()
    await asyncio.gather(*starts, return_exceptions=True)
    client.close()


async def test_a_module_that_was_away_is_initialised_again(module: StandIn, client: Client) -> None:
    await client.init()
    await module.__aexit__()
    with pytest.raises(Absent):
        await client.fetch(ASK[Opcode.FETCH])
    with pytest.raises(Absent):
        await client.fetch(ASK[Opcode.FETCH])
    async with StandIn(module.port_id) as again:
        assert (await client.fetch(ASK[Opcode.FETCH])).status is Status.NOT_DONE
        assert again.opcodes() == [INIT, FETCH]


async def test_after_close_nothing_is_asked(module: StandIn, client: Client) -> None:
    await client.init()
    client.close()
    with pytest.raises(Unavailable, match="the agent is stopping"):
        await client.fetch(ASK[Opcode.FETCH])
    assert module.opcodes() == [INIT]


async def test_a_socket_is_open_as_long_as_the_client_lives(module: StandIn, client: Client) -> None:
    """So that the kernel keeps the module, which knows of this node by INIT only."""
    await client.init()
    module.say(reply(4, b"still there"), module.senders[0])
    client.close()
    with pytest.raises(ConnectionRefusedError):
        module.say(reply(4, b"gone"), module.senders[0])
