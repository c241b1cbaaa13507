# SPDX-License-Identifier: Apache-2.0
"""Asking TLSHub's module, or what stands in for it, byte by byte: the table of its protocol, without the provider."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

from tests.lab.kit.tlshub import PROTOCOL, inside

INIT, START, FETCH = 0, 1, 2
FIRST, LATER, FAILED, LOG, CONNECTED, INITED = 1, 2, 3, 4, 5, 7
NOT_DONE, EXPIRED = -1, -2
SIZE = 144


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuple:
    """A connection as the module knows it; the client's end comes first at both ends."""

    client: str = "10.77.0.1"
    server: str = "10.77.0.2"
    client_port: int
    server_port: int = 443


class Asker:
    """A netlink socket in a node, and the requests as bytes, spelled out from the table of the protocol."""

    def __init__(self, namespace: str, protocol: int = PROTOCOL) -> None:
        with inside(namespace):
            self._sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
        self._sock.bind((0, 0))
        self._port = self._sock.getsockname()[0]

    def request(self, version: int, opcode: int, flow: Tuple, *, server: bool, node: str = "0.0.0.0") -> bytes:
        """32 bytes in version 1, 36 in version 2."""
        body = socket.inet_aton(flow.client) + socket.inet_aton(flow.server)
        body += socket.inet_aton(node) if version == 2 else b""
        body += struct.pack("!HHBBxx", flow.client_port, flow.server_port, opcode, server)
        return struct.pack("=IHHII", 16 + len(body), 0, 0, 0, self._port) + body

    def send(self, data: bytes) -> None:
        """To the kernel."""
        self._sock.sendto(data, (0, 0))

    def reply(self, timeout: float = 5) -> bytes:
        """The next datagram, b'' where none came in time; the kernel has sent it."""
        self._sock.settimeout(timeout)
        try:
            data, sender = self._sock.recvfrom(4096)
        except TimeoutError:
            return b""
        assert sender == (0, 0)
        return data

    def read(self) -> tuple[int, bytes]:
        """The type of the next reply, and what follows it; asserts its size."""
        data = self.reply()
        assert len(data) == SIZE and struct.unpack_from("=I", data) == (SIZE,), data
        return data[16], data[17:]

    def ask(self, version: int, opcode: int, flow: Tuple, *, server: bool = False) -> tuple[int, bytes]:
        """A request, and its reply as `read` has it."""
        self.send(self.request(version, opcode, flow, server=server))
        return self.read()

    def fetch(self, version: int, flow: Tuple, *, server: bool = False) -> tuple[int, bytes]:
        """Status and master key."""
        kind, rest = self.ask(version, FETCH, flow, server=server)
        assert kind not in (FIRST, LATER, FAILED, LOG, CONNECTED, INITED)
        (status,) = struct.unpack_from("=i", rest)
        assert status == 0 or not any(rest[4:]), "a key where there is none"
        return status, rest[4:36]

    def close(self) -> None:
        """Let go of the module."""
        self._sock.close()
