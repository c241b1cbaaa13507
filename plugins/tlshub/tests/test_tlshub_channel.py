# SPDX-License-Identifier: Apache-2.0
"""The client over a real netlink socket: whatever the module answers, or somebody else does, or nobody."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
import time
from collections.abc import AsyncIterator

import pytest
from tlshub_capture_tlshub.channel import KERNEL, Link
from tlshub_capture_tlshub.client import Absent, Client
from tlshub_capture_tlshub.wire import Kind, Opcode, Request, Status

from plugins.tlshub.tests.stand_in import FETCH, INIT, PROTOCOL, START, StandIn, config, found, reply
from tlshub_core.api import Reason, Unavailable
from tlshub_core.testing import pair as pairs
from tlshub_core.testing.exchanges import until

LOG = logging.getLogger("tlshub.test")
TUPLE = pairs.flows(40_001)[0].tuple
MASTER = bytes(range(1, 33))
ASK = {opcode: Request.about(opcode, TUPLE, server=False) for opcode in (Opcode.START, Opcode.FETCH)}


def client_of(module: StandIn, **options: object) -> Client:
    link = Link(protocol=PROTOCOL, version=1, port_id=module.port_id)
    return Client(link, config(**options), LOG)


@pytest.fixture
async def client(module: StandIn) -> AsyncIterator[Client]:
    one = client_of(module)
    yield one
    one.close()


@pytest.fixture
async def hasty(module: StandIn) -> AsyncIterator[Client]:
    """One that waits for half a second only."""
    one = client_of(module, request_timeout_s=0.5)
    yield one
    one.close()


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


@pytest.mark.parametrize("link", [Link(protocol=31, version=1), Link(protocol=PROTOCOL, version=1, port_id=KERNEL)])
async def test_no_module_is_said_with_what_to_do(link: Link) -> None:
    client = Client(link, config(), LOG)
    with pytest.raises(Absent, match=f"no kernel module answers on netlink protocol {link.protocol}: load the module"):
        await client.init()
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
