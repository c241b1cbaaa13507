# SPDX-License-Identifier: Apache-2.0
"""Requests at the control socket, as the agent reads them: an order that is understood as meant, or a refusal."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from contextlib import closing

from tests.fuzz.kit.target import Target
from tests.fuzz.kit.words import both_ways, text_of
from tlshub_core.control import requests, wire
from tlshub_core.control.answers import BypassAnswer
from tlshub_core.control.binding import Caller
from tlshub_core.control.conversation import Conversation, Limits, Send
from tlshub_core.control.requests import Bypass, Flows, Provider, Providers, Reload, Report, Request, Rules, Status, Top

_ORDERS: tuple[Request, ...] = (
    Status(), Flows(state="held", limit=100), Flows(state="", limit=1), Rules(), Reload(),
    Bypass(on=True, minutes=7), Bypass(on=False, minutes=0), Providers(), Provider(name="openssl"),
    Top(limit=20, order="newest", text=""), Top(limit=1, order="held", text="openssl"),
    Report(),
)  # fmt: skip
WORDS = (
    *(b'"%s":' % key for key in b"version command state limit on minutes name order text".split()),
    *(b'"%s"' % name.encode() for name in (*requests.COMMANDS, *requests.STATES, *requests.ORDERS, "openssl", "")),
    b"{", b"}", b"[", b"]", b",", b"1", b"0", b"-1", b"1e9", b"true", b"false", b"null", b"NaN", b'"\\ud800"', b"\n",
    b"[" * 64, b"9" * 64,
)  # fmt: skip
_ANSWER = BypassAnswer(on=True, left_s=None)


def _seeds() -> Iterable[bytes]:
    lines = [requests.encode(order) for order in _ORDERS]
    lines += [b"", b"no json\n", lines[0][:-1], lines[1] * 2, b'{"version":2,"command":"status"}\n', b"[" * 4000]
    return both_ways(lines, WORDS)


def _one(data: bytes) -> Iterable[str]:
    sent = text_of(data, WORDS)
    heard: list[Request] = []
    kind, value = wire.parse(asyncio.run(_said(sent, heard)))
    line, ends, _ = sent.partition(b"\n")
    meant = _meant(line + ends) if ends and len(line) < requests.LIMIT else None
    assert heard == [meant] * (meant is not None), f"the agent heard {heard}, and was told {meant}"
    if meant is None:
        assert kind == "error" and "bug" not in str(value), value
        return ["refused"]
    assert kind == "answer" and requests.decode(requests.encode(meant)) == meant
    return [type(meant).__name__]


def _meant(line: bytes) -> Request | None:
    try:
        return requests.decode(line)
    except ValueError:
        return None


async def _said(data: bytes, heard: list[Request]) -> bytes:
    """What an agent answers to a caller who sends that and hangs up; it hears what it understands."""

    async def handle(request: Request, caller: Caller, send: Send) -> BypassAnswer:
        heard.append(request)
        return _ANSWER

    ours, theirs = socket.socketpair()
    with closing(ours), theirs:
        ours.sendall(data)
        ours.shutdown(socket.SHUT_WR)
        reader, writer = await asyncio.open_unix_connection(sock=theirs, limit=requests.LIMIT)
        await Conversation(reader, writer, Limits()).run(handle)
        return b"".join(iter(lambda: ours.recv(65536), b""))


TARGET = Target(
    one=_one,
    seeds=_seeds,
    kinds=frozenset({"refused", *(kind.__name__ for kind in requests._KINDS)}),
    refusals=(),
    modules=(
        "tlshub_core.control.requests",
        "tlshub_core.control.shape",
        "tlshub_core.control.conversation",
        "tlshub_core.control.wire",
    ),
    words=WORDS,
    longest=2 * requests.LIMIT,
)
