# SPDX-License-Identifier: Apache-2.0
"""Keys of a connection whose both ends are on this node: random ones, which never leave the agent."""

from __future__ import annotations

import asyncio
import secrets
from socket import socket

from tlshub_core.types.flow import Flow, Isns, Side, Tuple4
from tlshub_core.types.interfaces import Pending
from tlshub_core.types.keys import Cipher, DirectionKeys, FlowKeys

NAME = "local"


class LocalKeys:
    """Matches the two ends by their tuple; each end gets its own copy of the keys, once."""

    def __init__(self, cipher: Cipher) -> None:
        self._cipher = cipher
        self._other: dict[Tuple4, asyncio.Future[FlowKeys]] = {}

    async def prepare(self, flow: Flow) -> Pending:
        """The client's end makes the keys; the server's waits for them, cancellable."""
        if flow.side is Side.CLIENT:
            keys = _random(self._cipher)
            self._future(flow.tuple, fresh=True).set_result(_copy(keys))
            return _Local(self, flow.tuple, keys)
        try:
            return _Local(self, flow.tuple, await asyncio.shield(self._future(flow.tuple)))
        finally:
            self._other.pop(flow.tuple, None)

    def _future(self, tuple4: Tuple4, *, fresh: bool = False) -> asyncio.Future[FlowKeys]:
        """The place where the two ends meet; keys that an earlier connection of the tuple left there are not used."""
        found = self._other.get(tuple4)
        if found is None or (fresh and found.done()):
            found = self._other[tuple4] = asyncio.get_running_loop().create_future()
        return found

    def forget(self, tuple4: Tuple4) -> None:
        """Wipe what the other end has not fetched."""
        found = self._other.pop(tuple4, None)
        if found is not None and found.done() and not found.cancelled():
            found.result().wipe()


class _Local:
    def __init__(self, home: LocalKeys, tuple4: Tuple4, keys: FlowKeys) -> None:
        self._home, self._tuple, self._keys = home, tuple4, keys
        self._given = False

    async def keys(self, isns: Isns, sock: socket | None) -> FlowKeys:
        """The keys, now the caller's to wipe."""
        self._given = True
        return self._keys

    def discard(self) -> None:
        """Wipe both copies, unless the keys were given: then the other end needs its own."""
        if not self._given:
            self._keys.wipe()
            self._home.forget(self._tuple)


def _random(cipher: Cipher) -> FlowKeys:
    return FlowKeys(cipher=cipher, client_to_server=_direction(cipher), server_to_client=_direction(cipher))


def _direction(cipher: Cipher) -> DirectionKeys:
    sizes = cipher.sizes
    key, salt, iv = (bytearray(secrets.token_bytes(size)) for size in (sizes.key, sizes.salt, sizes.iv))
    return DirectionKeys(key=key, salt=salt, iv=iv, rec_seq=bytearray(sizes.rec_seq))


def _copy(keys: FlowKeys) -> FlowKeys:
    one, two = (
        DirectionKeys(key=k.key[:], salt=k.salt[:], iv=k.iv[:], rec_seq=k.rec_seq[:])
        for k in (keys.client_to_server, keys.server_to_client)
    )
    return FlowKeys(cipher=keys.cipher, version=keys.version, client_to_server=one, server_to_client=two)
