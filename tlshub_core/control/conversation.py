# SPDX-License-Identifier: Apache-2.0
"""One caller at the control socket: a request in, its answer out; neither is waited for without end."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tlshub_core.control import requests
from tlshub_core.control.binding import Caller
from tlshub_core.control.requests import Request
from tlshub_core.control.wire import Failure, line
from tlshub_core.types.errors import TlshubError

if TYPE_CHECKING:
    from tlshub_core.control.answers import Answer

Send = Callable[[Sequence[object]], Awaitable[None]]  # rows of a long table
Handler = Callable[[Request, Caller, Send], Awaitable["Answer"]]
_log = logging.getLogger("tlshub.control")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Times in seconds: for a request to be there, and for each piece of an answer to be taken."""

    connections: int = 8
    request_s: float = 5.0
    answer_s: float = 30.0


class Conversation:
    """What is wrong with the caller's end ends the conversation, and nothing else."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limits: Limits) -> None:
        self._reader, self._writer, self._limits = reader, writer, limits
        cover: socket.socket = writer.get_extra_info("socket")  # asyncio's own, which has getsockopt too
        self.caller = Caller.of(cover)

    def refuse(self, message: str) -> None:
        """Say so, and hear nothing."""
        _log.warning("control socket: %s", message)
        self._last_word(Failure(message=message))

    async def run(self, handler: Handler) -> None:
        """Answer the request."""
        try:
            self._last_word(await self._outcome(handler))
            async with asyncio.timeout(self._limits.answer_s):
                await self._writer.wait_closed()
        except OSError as error:
            _log.info("control socket: process %d did not take its answer: %s", self.caller.pid, error)
        finally:
            self._writer.transport.abort()

    async def _outcome(self, handler: Handler) -> Answer | Failure:
        try:
            request = requests.decode(await self._line())
        except ValueError as error:
            return Failure(message=f"the request is not understood: {error}")
        try:
            return await handler(request, self.caller, self._send)
        except TlshubError as error:
            return Failure.of(error)
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001 - logged with its trace; the agent has connections to look after
            _log.exception("bug in the agent, at a command of process %d", self.caller.pid)
            return Failure(message=f"bug in the agent: {type(error).__name__}: see its log")

    async def _line(self) -> bytes:
        try:
            async with asyncio.timeout(self._limits.request_s):
                return await self._reader.readuntil(b"\n")
        except TimeoutError:
            raise ValueError(f"it was not there within {self._limits.request_s:g} s") from None
        except asyncio.IncompleteReadError:
            raise ValueError("it is cut off: it has to be a whole line") from None
        except asyncio.LimitOverrunError:
            raise ValueError(f"it is longer than {requests.LIMIT} bytes") from None

    async def _send(self, rows: Sequence[object]) -> None:
        self._writer.write(line("rows", rows))
        async with asyncio.timeout(self._limits.answer_s):
            await self._writer.drain()

    def _last_word(self, outcome: Answer | Failure) -> None:
        self._writer.write(line("error" if isinstance(outcome, Failure) else "answer", outcome))
        self._writer.close()
