# SPDX-License-Identifier: Apache-2.0
"""The client over a real netlink socket: whatever the module answers."""

from __future__ import annotations

import asyncio
import logging
import struct

import pytest
from tlshub_capture_tlshub.channel import KERNEL, Link
from tlshub_capture_tlshub.client import Absent, Client
from tlshub_capture_tlshub.wire import Kind, Opcode, Status

from plugins.tlshub.tests.nodes import ASK, LOG, MASTER, config
from plugins.tlshub.tests.stand_in import FETCH, INIT, PROTOCOL, START, StandIn, found, reply
from tlshub_core.api import (
    Reason,
    Unavailable,
)


async def test_each_request_s_usual_answer(module: StandIn, client: Client) -> None:
    await client.init()
    await client.init()
    assert (await client.fetch(ASK[Opcode.FETCH])).status is Status.NOT_DONE
    assert await client.start(ASK[Opcode.START]) is Kind.FIRST_HANDSHAKE
    assert bytes((await client.fetch(ASK[Opcode.FETCH])).master) in module.masters.values()
    assert module.opcodes() == [INIT, FETCH, START, FETCH]


async def test_log_lines_are_logged_and_read_past(
    module: StandIn, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    lines = [reply(4, struct.pack("=i", 0) + b"no key, a line\n"), reply(4, b"another")]
    module.once(FETCH, [*lines, found(0, MASTER)])
    with caplog.at_level(logging.INFO):
        assert bytes((await client.fetch(ASK[Opcode.FETCH])).master) == MASTER
    assert "TLSHub's module: another" in caplog.messages
    assert "TLSHub's module: service starts" in caplog.messages


async def test_a_flood_of_log_lines_lets_others_have_their_turn(
    module: StandIn, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    await client.init()
    module.once(FETCH, [*[reply(4, b"again")] * 100, found(0, MASTER)])
    turns, at = 0, list[int]()
    monkeypatch.setattr(LOG, "info", lambda *_: at.append(turns))
    fetching = asyncio.create_task(client.fetch(ASK[Opcode.FETCH]))
    while not fetching.done():
        turns += 1
        await asyncio.sleep(0)
    assert bytes(fetching.result().master) == MASTER
    assert len(at) == len(set(at)) == 100


async def test_log_lines_alone_end_by_the_timeout(module: StandIn, hasty: Client) -> None:
    module.script = lambda opcode, _: [reply(4, b"again")] * 20 if opcode == FETCH else None
    with pytest.raises(Unavailable, match="did not answer FETCH within"):
        await hasty.fetch(ASK[Opcode.FETCH])


@pytest.mark.parametrize(
    ("opcode", "answer", "what"),
    [
        (Opcode.FETCH, reply(0)[:143], "a reply of 143 bytes, expected 144"),
        (Opcode.FETCH, found(0, MASTER) + b"\0" * 60, "a reply of 145 bytes, expected 144"),
        (Opcode.FETCH, struct.pack("=IHHIIi", 36, 2, 0, 0, 0, -1) + bytes(16), "a reply of 36 bytes"),
        (Opcode.FETCH, reply(0, length=32), "header says 32 bytes"),
        (Opcode.FETCH, reply(5), r"a reply of type 5 \('connected'\)"),
        (Opcode.FETCH, found(0, bytes(32)), "a master key of zeros only"),
        (Opcode.FETCH, found(7, MASTER), "the unknown status 7"),
        (Opcode.START, reply(6), r"a reply of type 6 \('unknown'\)"),
        (Opcode.START, reply(7), r"a reply of type 7 \('initialised'\)"),
        (Opcode.INIT, reply(1), r"INIT with a reply of type 1 \('first_handshake'\)"),
        (Opcode.INIT, reply(0), r"INIT with a reply of type 0 \('unknown'\)"),
    ],
)
async def test_what_is_no_answer_is_refused_with_its_reason(
    module: StandIn, client: Client, opcode: Opcode, answer: bytes, what: str
) -> None:
    module.once(opcode, [answer])
    with pytest.raises(Unavailable, match=what) as caught:
        await (client.fetch(ASK[Opcode.FETCH]) if opcode is Opcode.FETCH else client.start(ASK[Opcode.START]))
    assert "'protocol_version'" in str(caught.value)
    assert MASTER.hex() not in str(caught.value)
    assert (await client.fetch(ASK[Opcode.FETCH])).status is Status.NOT_DONE


async def test_a_handshake_that_failed(module: StandIn, client: Client) -> None:
    module.once(START, [reply(4, b"alert 48"), reply(3)])
    with pytest.raises(Unavailable, match=r"'10\.1\.0\.1:40001 to 10\.2\.0\.1:80' failed") as caught:
        await client.start(ASK[Opcode.START])
    assert caught.value.reason is Reason.PEER_UNREACHABLE


@pytest.mark.parametrize("link", [Link(protocol=31, version=1), Link(protocol=PROTOCOL, version=1, port_id=KERNEL)])
async def test_no_module_is_said_with_what_to_do(link: Link) -> None:
    client = Client(link, config(), LOG)
    with pytest.raises(Absent, match=f"no kernel module answers on netlink protocol {link.protocol}: load the module"):
        await client.init()
    client.close()
