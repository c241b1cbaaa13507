# SPDX-License-Identifier: Apache-2.0
"""Two TLS engines and no wire between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from tlshub_core.types.errors import Refused
from tlshub_core.types.interfaces import TlsEngine

ALL = 1 << 20
LIMIT = 100_000


@dataclass(slots=True, kw_only=True)
class Ends:
    """A client and a server; `refused` has the first error of each, and what a failed end is sent is thrown away."""

    client: TlsEngine
    server: TlsEngine
    refused: dict[str, Refused] = field(default_factory=dict)

    def carry(self, chunk: int = ALL) -> Ends:
        """Bytes back and forth, so many at a time, until neither end has any; data that arrives is left to be read."""
        for _ in range(LIMIT):
            sent = self.client_to_server(chunk)
            if not self.server_to_client(chunk) and not sent:
                return self
        raise AssertionError("the engines never come to an end")

    def handshake(self, chunk: int = ALL) -> Ends:
        """The same; asserts that both are done."""
        self.carry(chunk)
        assert not self.refused, f"the handshake failed: {self.refused}"
        assert self.client.done() and self.server.done(), "nothing more to send, and the handshake is not complete"
        return self

    def client_to_server(self, chunk: int = ALL) -> bool:
        """What the client has to send; whether there was anything."""
        return self._send(self.client, "server", chunk)

    def server_to_client(self, chunk: int = ALL) -> bool:
        """The other way."""
        return self._send(self.server, "client", chunk)

    def read(self, name: str) -> bytes:
        """What has arrived at that end; an error is remembered."""
        try:
            return self._end(name).read()
        except Refused as error:
            self.refused.setdefault(name, error)
            return b""

    def _end(self, name: str) -> TlsEngine:
        return self.client if name == "client" else self.server

    def _send(self, sender: TlsEngine, name: str, chunk: int) -> bool:
        data = sender.drain()
        for part in _parts(data, chunk):
            if name not in self.refused:
                try:
                    self._end(name).feed(part)
                except Refused as error:
                    self.refused[name] = error
        return bool(data)


def _parts(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))
