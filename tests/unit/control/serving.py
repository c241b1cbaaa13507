# SPDX-License-Identifier: Apache-2.0
"""A control socket that is served by another thread, so that a test may block; and callers of every kind."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tlshub_core.control import requests, wire
from tlshub_core.control.answers import BypassAnswer
from tlshub_core.control.binding import Caller
from tlshub_core.control.conversation import Handler, Limits, Send
from tlshub_core.control.requests import Request
from tlshub_core.control.server import Server
from tlshub_core.control.wire import Failure

GOOD = requests.encode(requests.Bypass(on=True, minutes=7))
QUICK = Limits(request_s=0.3, answer_s=0.3)


async def echo(request: Request, caller: Caller, send: Send) -> BypassAnswer:
    """Answers a bypass with what was asked for, and flows with as many rows as are asked for."""
    if isinstance(request, requests.Bypass):
        return BypassAnswer(on=request.on, left_s=request.minutes)
    assert isinstance(request, requests.Flows)
    for number in range(request.limit):
        await send([number, "x" * 1000])
    return BypassAnswer(on=False, left_s=caller.pid)


@contextmanager
def serving(path: Path, handler: Handler = echo, limits: Limits | None = None) -> Iterator[Server]:
    """A server in a thread, for as long as the block runs; tasks that the handler leaves are ended with it."""
    server, ready, done = Server(path, limits), threading.Event(), asyncio.Event()
    runner = asyncio.Runner()

    async def serve() -> None:
        await server.start(handler)
        ready.set()
        await done.wait()
        await server.stop()

    def work() -> None:
        with runner:
            runner.run(serve())

    thread = threading.Thread(target=work)
    thread.start()
    assert ready.wait(10)
    try:
        yield server
    finally:
        runner.get_loop().call_soon_threadsafe(done.set)
        thread.join(10)


@contextmanager
def caller(path: Path) -> Iterator[socket.socket]:
    """A connected socket."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(os.fspath(path))
        sock.settimeout(10)
        yield sock


def said(path: Path, *pieces: bytes, end: bool = False) -> tuple[str, object]:
    """What is answered to these bytes; with `end` nothing more can come."""
    with caller(path) as sock:
        with suppress(OSError):  # it may have answered already, and then it hears no more
            for piece in pieces:
                sock.sendall(piece)
            if end:
                sock.shutdown(socket.SHUT_WR)
        return last(sock)


def last(sock: socket.socket) -> tuple[str, object]:
    """The last line of an answer, '' where there is none."""
    found = b""
    try:
        while data := sock.recv(65536):
            found += data
    except ConnectionResetError:  # it did not read all that it was sent; what it said came before
        assert found
    lines: Sequence[bytes] = found.splitlines()
    return wire.parse(lines[-1]) if lines else ("", None)


def failure(outcome: tuple[str, object]) -> str:
    """The message of an error."""
    kind, value = outcome
    assert kind == "error" and isinstance(value, dict), outcome
    return Failure(**value).message
