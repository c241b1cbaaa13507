# SPDX-License-Identifier: Apache-2.0
"""The agent's end of the control socket: who may ask, and how many at a time."""

from __future__ import annotations

import asyncio
import os
from functools import partial
from pathlib import Path

from tlshub_core.control import binding, requests
from tlshub_core.control.binding import Caller
from tlshub_core.control.conversation import Conversation, Handler, Limits


class Server:
    """Answers one request per connection; as a context, it gives its socket up at the end."""

    def __init__(self, path: Path, limits: Limits | None = None) -> None:
        """Take the socket, so that no second agent starts; callers wait until `start`. Raises as `binding.claim`."""
        self._path, self._limits = path, limits or Limits()
        self._socket = binding.claim(path)
        self._inode = path.lstat().st_ino
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, handler: Handler) -> None:
        """Answer from now on."""
        connected = partial(self._connected, handler)
        self._server = await asyncio.start_unix_server(connected, sock=self._socket, limit=requests.LIMIT)

    async def stop(self) -> None:
        """Take the socket away and end what is under way. May be called twice."""
        binding.remove(self._path, self._inode)
        if self._server is not None:
            self._server.close()
        self._socket.close()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def __aenter__(self) -> Server:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def _connected(self, handler: Handler, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversation = Conversation(reader, writer, self._limits)
        if refusal := self._refusal(conversation.caller):
            conversation.refuse(refusal)
            return
        task = asyncio.create_task(conversation.run(handler))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _refusal(self, caller: Caller) -> str:
        if caller.uid not in (0, os.geteuid()):
            return f"user {caller.uid} (process {caller.pid}) may not give orders to this agent: ask as root"
        if len(self._tasks) >= self._limits.connections:
            return f"{len(self._tasks)} others are being answered: try again"
        return ""
