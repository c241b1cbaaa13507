# SPDX-License-Identifier: Apache-2.0
"""The other end of the control socket: one request, and the answer that belongs to it."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from tlshub_core.control import requests
from tlshub_core.control.answers import Answer
from tlshub_core.control.requests import Request
from tlshub_core.control.shape import build
from tlshub_core.control.wire import LIMIT, Failure, parse
from tlshub_core.types.errors import TlshubError

A = TypeVar("A", bound=Answer)
_TIMEVAL = struct.Struct("@ll")
PATIENCE_S = 60.0  # a provider that is switched to may take half of it


class CommandError(TlshubError):
    """The agent did not carry out the command, or there is none; `failure` is why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def ask(path: Path, request: Request, kind: type[A], table: str = "") -> A:
    """The agent's answer; `table` is the field of it that its rows belong into. Raises CommandError."""
    try:
        with _connected(path) as sock:
            return _answer(sock, request, kind, table)
    except (TimeoutError, BlockingIOError):
        raise _failed(f"the agent at '{path}' does not answer: see its log, and whether it is stopped") from None
    except OSError as error:
        raise _failed(_why(path, error)) from None
    except ValueError as error:
        raise _failed(f"the agent at '{path}' answers what this release does not understand: {error}") from None


def _failed(message: str) -> CommandError:
    return CommandError(Failure(message=message))


def _why(path: Path, error: OSError) -> str:
    what = os.strerror(error.errno).lower() if error.errno else str(error)
    if error.errno in (errno.ENOENT, errno.ECONNREFUSED):
        return f"no agent is running at '{path}' ({what}): start it with 'tlshub-capture run', or name its '--socket'"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"'{path}' is not for this user ({what}): ask as root"
    return f"the agent at '{path}' cannot be reached: {what}"


@contextlib.contextmanager
def _connected(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as sock:
        # Not yet by settimeout(): it does not wait for room in the agent's queue, but fails at once.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _TIMEVAL.pack(int(PATIENCE_S), 0))
        sock.connect(os.fspath(path))
        sock.settimeout(PATIENCE_S)
        yield sock


def _answer(sock: socket.socket, request: Request, kind: type[A], table: str) -> A:
    with contextlib.suppress(BrokenPipeError):  # whom the agent refuses it does not listen to; its word is there
        sock.sendall(requests.encode(request))
    rows: list[object] = []
    for line in _lines(sock):
        what, value = parse(line)
        if what == "error":
            raise CommandError(build(Failure, value))
        if what == "answer" and isinstance(value, dict):
            return build(kind, {**value, table: rows} if table else value)
        if what != "rows" or not isinstance(value, list):
            raise ValueError(f"'{what[:40]}' is unknown")
        rows += value
    raise ConnectionResetError(errno.ECONNRESET, "the agent hung up")


def _lines(sock: socket.socket) -> Iterator[bytes]:
    with sock.makefile("rb") as file:
        while line := file.readline(LIMIT):
            if not line.endswith(b"\n"):
                raise ValueError("a line of it is too long, or cut off")
            yield line
