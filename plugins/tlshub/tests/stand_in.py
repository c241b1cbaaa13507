# SPDX-License-Identifier: Apache-2.0
"""A userspace socket that answers as TLSHub's module does, on NETLINK_USERSOCK, and as a test wants it.

Its layout of messages is spelled out here, from the tables of the protocol; nothing of the plugin's is used.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import struct
from collections import deque
from collections.abc import Callable

PROTOCOL = socket.NETLINK_USERSOCK
INIT, START, FETCH = 0, 1, 2
Answer = list[bytes] | None


def reply(kind: int, body: bytes = b"", *, length: int = 142) -> bytes:
    """144 bytes: header, type, body, padding."""
    return struct.pack("=IHHII", length, 0, 0, 0, 0) + bytes((kind,)) + body.ljust(127, b"\0")


def found(status: int, master: bytes = b"") -> bytes:
    """The reply to a FETCH."""
    return reply(0, struct.pack("=i", status) + master)


class StandIn:
    """Master keys by tuple, made by START; `asked` has opcode and payload of every request, in order.

    What `script` gives for an opcode and payload is sent instead of the usual answer, None means the usual one; `keeps`
    has a START answered with 'already connected' where there is a master key.
    """

    def __init__(self, port_id: int = 0) -> None:
        self.asked: list[tuple[int, bytes]] = []
        self.senders: list[int] = []
        self.masters: dict[bytes, bytes] = {}
        self.script: Callable[[int, bytes], Answer] | None = None
        self.keeps = False
        self._sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, PROTOCOL)
        self._sock.bind(
            (port_id or 1 << 30 | secrets.randbits(30), 0)
        )  # none that the kernel would give another socket
        self.port_id: int = self._sock.getsockname()[0]

    async def __aenter__(self) -> StandIn:
        asyncio.get_running_loop().add_reader(self._sock, self._serve)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._sock.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._sock)
            self._sock.close()

    def opcodes(self) -> list[int]:
        """What was asked."""
        return [opcode for opcode, _ in self.asked]

    def say(self, data: bytes, to: int) -> None:
        """Send something that nobody asked for."""
        self._sock.sendto(data, (to, 0))

    def once(self, opcode: int, *answers: list[bytes]) -> None:
        """The next requests of that kind get these answers, later ones the usual."""
        left = deque(answers)
        self.script = lambda asked, _: left.popleft() if asked == opcode and left else None

    def _serve(self) -> None:
        data, (sender, _) = self._sock.recvfrom(4096)
        length, kind, flags, seq, port_id = struct.unpack_from("=IHHII", data)
        assert (length, kind, flags, seq, port_id) == (len(data), 0, 0, 0, sender)
        payload = data[16:]
        opcode = payload[-4]
        self.asked.append((opcode, payload))
        self.senders.append(sender)
        answer = self.script(opcode, payload) if self.script else None
        for datagram in self._usual(opcode, payload) if answer is None else answer:
            self.say(datagram, sender)

    def _usual(self, opcode: int, payload: bytes) -> list[bytes]:
        key = payload[:8] + payload[-8:-4]
        if opcode == INIT:
            return [reply(4, b"service starts\n"), reply(7)]
        if opcode == START:
            if self.keeps and key in self.masters:
                return [reply(5)]
            self.masters[key] = os.urandom(32)
            return [reply(4, b"handshake"), reply(1 if len(self.masters) == 1 else 2)]
        return [found(0, self.masters[key]) if key in self.masters else found(-1)]
