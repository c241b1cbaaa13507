# SPDX-License-Identifier: Apache-2.0
"""Who takes all that it can get gets its share: others' handshakes, flows and sessions go on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import pytest

from plugins.openssl.tests import liars
from tlshub_core.api import Reason, events
from tlshub_core.peering import channel as channels
from tlshub_core.peering.frames import NO_FLOW, Ready, Refuse, encode
from tlshub_core.testing.exchanges import until, works
from tlshub_core.testing.pair import Pair

Nodes = Callable[..., Pair]
HOST_A, NOWHERE = "127.0.0.1", "10.9.9.9"


async def test_half_open_handshakes_of_one_address_make_room_for_others(nodes: Nodes) -> None:
    """Three times as many as there is room for, which never say a word and would stay for a minute."""
    pair = nodes(max_unauthenticated=8, handshake_timeout_s=60.0)
    await pair.start()
    port = pair.server_agent.identity.port
    silent = [await asyncio.open_connection("127.0.0.2", port, local_addr=(liars.FROM, 0)) for _ in range(24)]
    for _ in range(3):
        async with liars.session(pair, pair.client_agent.identity, HOST_A):
            pass
    ended = [asyncio.create_task(reader.read()) for reader, _ in silent[:16]]
    await asyncio.gather(*ended, return_exceptions=True)
    await works(pair)
    for _, writer in silent:
        writer.close()


async def test_a_node_has_so_many_sessions_and_others_have_theirs(nodes: Nodes) -> None:
    pair = nodes(max_sessions=3)
    await pair.start()
    who = liars.certified(pair)
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(3):
            last = await stack.enter_async_context(liars.session(pair, who))
        for _ in range(5):
            async with liars.dialled(pair, who) as (_, first):
                detail = "node 'node-c' has 3 sessions with this one"
                assert first == Refuse(flow=NO_FLOW, reason=Reason.OVERLOADED, detail=detail)
        await works(pair)
        last.close()
        await until(lambda: len(pair.server_agent.said(events.SessionDown)) == 1)
        await stack.enter_async_context(liars.session(pair, who))


async def test_flows_that_never_come_count_in_all_sessions_of_a_node_and_after_them(nodes: Nodes) -> None:
    pair = nodes(max_pending=3, ready_ttl_s=2.0)
    await pair.start()
    who = pair.client_agent.identity
    answers = []
    for port in range(40_001, 40_006):
        async with liars.session(pair, who, HOST_A) as channel:
            answers.append(await liars.asked(channel, liars.secure(liars.to_server("10.1.0.1", port))))
    assert [isinstance(answer, Ready) for answer in answers] == [True, True, True, False, False]
    assert {answer.reason for answer in answers if isinstance(answer, Refuse)} == {Reason.OVERLOADED}
    async with liars.session(pair, who, HOST_A) as channel, asyncio.timeout(30):
        again = liars.to_server("10.1.0.1", 40_009)
        while isinstance(await liars.asked(channel, liars.secure(again)), Refuse):  # noqa: ASYNC110
            await asyncio.sleep(0.2)  # until the first is forgotten, which nothing tells a peer


async def listens(channel: channels.Channel) -> None:
    while True:
        await channel.receive()


async def test_a_flood_of_frames_in_many_sessions_waits_for_itself(nodes: Nodes) -> None:
    """Eight sessions of 500 questions each are on their way before the honest node asks; nearly all come after it."""
    pair = nodes()
    await pair.start()
    await works(pair)
    who, tuple4 = liars.certified(pair), liars.to_server(NOWHERE)
    seen, pod = [], pair.server_agent.pod
    pair.server_agent.pod = lambda address: (seen.append(str(address)), pod(address))[1]  # type: ignore[func-returns-value,method-assign]
    async with contextlib.AsyncExitStack() as stack:
        flood = [await stack.enter_async_context(liars.session(pair, who)) for _ in range(8)]
        readers = [asyncio.create_task(listens(channel)) for channel in flood]
        for channel in flood:
            channel.engine.write(b"".join(encode(liars.secure(tuple4)) for _ in range(500)))
            channel._flush()
        await works(pair, 40_200)
        await until(lambda: seen.count(NOWHERE) == 4_000)
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
    before = seen.index("10.1.0.1")
    assert before < 200, f"{before} questions of the flood were answered before the honest one"


async def test_who_never_reads_loses_its_session(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel gives up (TCP_USER_TIMEOUT, here 1 s instead of 15); until then what waits for it is bounded."""
    faster = tuple(
        (*rest, 1_000 if rest[1] == channels._KEEPALIVE[-1][1] else value) for *rest, value in channels._KEEPALIVE
    )
    monkeypatch.setattr(channels, "_KEEPALIVE", faster)
    pair = nodes()
    await pair.start()
    who = liars.certified(pair)
    question = encode(liars.secure(liars.to_server("10.1.0.1")))
    async with liars.session(pair, who) as channel:
        channel._reader._transport.pause_reading()  # type: ignore[attr-defined]
        down = asyncio.create_task(until(lambda: bool(pair.server_agent.said(events.SessionDown))))
        while not down.done():
            channel.engine.write(question * 500)
            channel._flush()
            with contextlib.suppress(TimeoutError, channels.Unavailable):
                async with asyncio.timeout(0.1):
                    await channel.drained()
            await asyncio.sleep(0.01)
        await down
    assert pair.server_agent.said(events.SessionDown)[0].reason is Reason.PEER_UNREACHABLE
    await works(pair)
