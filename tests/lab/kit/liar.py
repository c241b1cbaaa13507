# SPDX-License-Identifier: Apache-2.0
"""A third node, with a good certificate of the lab's authority, that speaks the agents' protocol and lies."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path
from uuid import UUID, uuid4

from tlshub_capture_openssl.engine import engines

from tests.lab.kit.weather import PEERING
from tlshub_core.peering import pki
from tlshub_core.peering.channel import Channel
from tlshub_core.peering.frames import Frame, Leave, Ready, Refuse, Secure, Welcome
from tlshub_core.types.errors import TlshubError
from tlshub_core.types.flow import Tuple4
from tlshub_core.types.interfaces import Identity

NAME, DOMAIN = "node-c", "lab.test"
AES_GCM_128 = 51  # <linux/tls.h>
SESSIONS, MUTE = 40, 70  # more than one node, and one address, may have
BURST = 20  # questions of each session, all at once


def certified() -> Identity:
    """Its name, with a certificate and a key that it made itself a moment ago."""
    folder = Path(tempfile.mkdtemp())
    for name in ("ca.pem", "ca-key.pem"):
        shutil.copy(Path(os.environ["LAB_PKI"]) / name, folder / name)
    pki.init(folder, DOMAIN, [NAME])
    cert, key, ca = folder / f"{NAME}.pem", folder / f"{NAME}-key.pem", folder / "ca.pem"
    return Identity(node=NAME, trust_domain=DOMAIN, port=PEERING, cert=cert, key=key, ca=ca)


@asynccontextmanager
async def session(who: Identity, host: str) -> AsyncIterator[Channel]:
    """A session to the agent at that address; raises TlshubError or OSError where it is turned away."""
    channel = Channel(engines(who)(False), *await asyncio.open_connection(host, PEERING))
    try:
        await channel.handshake(DOMAIN)
        first = (await channel.receive())[0]
        if not isinstance(first, Welcome):
            raise TlshubError(str(first))
        yield channel
    finally:
        channel.close()


def question(client: str, server: str, ports: tuple[int, int], flow: UUID | None = None) -> Secure:
    """For the keys of that connection; always by the same nonce."""
    ends = {"client": ip_address(client), "server": ip_address(server)}
    tuple4 = Tuple4(client_port=ports[0], server_port=ports[1], **ends)
    return Secure(flow=flow or uuid4(), tuple4=tuple4, provider="openssl", nonce=bytes(32), ciphers=(AES_GCM_128,))


async def answers(channel: Channel, count: int) -> list[Frame]:
    """The next so many."""
    found: list[Frame] = []
    while len(found) < count:
        found += await channel.receive()
    return found


def said(answer: Frame) -> str:
    """An answer in a word."""
    return answer.reason.value if isinstance(answer, Refuse) else type(answer).__name__


async def ask_for_others(who: Identity, host: str, questions: Sequence[Secure]) -> list[str]:
    """Each as a question for keys, and once more as a wish that the connection be left alone."""
    async with session(who, host) as channel:
        for one in questions:
            channel.send(one)
            channel.send(Leave(flow=uuid4(), tuple4=one.tuple4))
        return [said(one) for one in await answers(channel, 2 * len(questions))]


async def ask_again(who: Identity, host: str, own: Secure, other: Secure) -> tuple[list[str], int]:
    """One of its own, again, and another one by the same nonce; the answers, and how many nonces these had."""
    async with session(who, host) as channel:
        for one in (own, own, other):
            channel.send(one)
        found = await answers(channel, 3)
    return [said(one) for one in found], len({one.nonce for one in found if isinstance(one, Ready)})


async def flood(who: Identity, host: str, own: str, port: int) -> tuple[int, int]:
    """Mute connections and sessions, more of each than it may have, with all questions at once; sessions, answers."""
    mute = [socket.create_connection((host, PEERING)) for _ in range(MUTE)]
    opened = [asyncio.create_task(_burst(who, host, own, port)) for _ in range(SESSIONS)]
    counts = [count for count in await asyncio.gather(*opened) if count >= 0]
    for sock in mute:
        sock.close()
    return len(counts), sum(counts)


async def _burst(who: Identity, host: str, own: str, port: int) -> int:
    """How many answers came before it went; -1 where there was no session."""
    try:
        async with session(who, host) as channel:
            for number in range(BURST):
                channel.send(question(own, host, (20_000 + number, port)))
            return len(await answers(channel, BURST))
    except (TlshubError, OSError):
        return -1


async def promise_all(who: Identity, ended: asyncio.Event) -> int:
    """Listen as an agent, and answer READY to everything, without a thing that holds it; how many times."""
    count = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        channel = Channel(engines(who)(True), reader, writer)
        try:
            await channel.handshake(DOMAIN)
            channel.send(Welcome())
            while True:
                for frame in await channel.receive():
                    assert isinstance(frame, Secure), frame
                    channel.send(Ready(flow=frame.flow, nonce=os.urandom(32), cipher=AES_GCM_128))
                    count += 1
        except (TlshubError, OSError):
            channel.close()

    async with await asyncio.start_server(serve, "0.0.0.0", PEERING):  # its own network
        await ended.wait()
    return count
