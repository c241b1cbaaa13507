# SPDX-License-Identifier: Apache-2.0
"""Keys of a connection whose both ends are on this node: random ones, which never leave the agent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from socket import socket

from tlshub_core.types.errors import Reason, Refused, Unavailable
from tlshub_core.types.flow import Isns, Tuple4
from tlshub_core.types.interfaces import Pending
from tlshub_core.types.keys import Cipher, DirectionKeys, FlowKeys

NAME = "local"
UNCLAIMED_S = 300.0  # longer than TCP itself tries to connect


class LocalKeys:
    """Matches the two ends by their tuple; each end gets its own copy of the keys, once.

    The connecting end is always first: the kernel reports it before the SYN leaves, in one queue for both ends.
    """

    def __init__(self, cipher: Cipher) -> None:
        self._cipher = cipher
        self._offered: dict[Tuple4, _Offer] = {}
        self._announced: dict[Tuple4, asyncio.Event] = {}

    def announce(self, tuple4: Tuple4) -> asyncio.Event:
        """The connecting end is here and held, and it is not decided yet whether it will offer keys."""
        self._announced[tuple4] = asyncio.Event()
        return self._announced[tuple4]

    def decided(self, tuple4: Tuple4, announced: asyncio.Event) -> None:
        """It offered keys or will not; what a newer connection of the tuple announced stays."""
        announced.set()
        if self._announced.get(tuple4) is announced:
            del self._announced[tuple4]

    def offer(self, tuple4: Tuple4) -> Pending:
        """The connecting end: makes keys; a copy that an earlier connection of the tuple left is wiped."""
        self._drop(tuple4)
        keys = random_keys(self._cipher)
        offer = _Offer(
            keys=copy_keys(keys), timer=asyncio.get_running_loop().call_later(UNCLAIMED_S, self._drop, tuple4)
        )
        self._offered[tuple4] = offer
        if announced := self._announced.get(tuple4):
            self.decided(tuple4, announced)
        return _Local(keys, lambda: self._drop(tuple4, offer))

    async def told(self, tuple4: Tuple4) -> None:
        """The accepting end: wait until an announced connecting end is decided upon."""
        if announced := self._announced.get(tuple4):
            await announced.wait()

    def take(self, tuple4: Tuple4) -> Pending:
        """The accepting end: raises Refused where the connecting one is not captured here, and so goes in clear."""
        offer = self._offered.pop(tuple4, None)
        if offer is None:
            raise Refused("the connecting end is on this node and is not held", Reason.NO_RULE)
        offer.timer.cancel()
        return _Local(offer.keys, lambda: None)

    def _drop(self, tuple4: Tuple4, only: _Offer | None = None) -> None:
        """Wipe what the other end has not taken; with `only`, not what a newer connection left."""
        found = self._offered.get(tuple4)
        if found is not None and only in (None, found):
            del self._offered[tuple4]
            found.timer.cancel()
            found.keys.wipe()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Offer:
    keys: FlowKeys
    timer: asyncio.TimerHandle


class _Local:
    def __init__(self, keys: FlowKeys, withdraw: Callable[[], None]) -> None:
        self._keys: FlowKeys | None = keys
        self._withdraw = withdraw

    async def keys(self, isns: Isns, sock: socket | None) -> FlowKeys:
        """The keys, once, now the caller's to wipe."""
        keys, self._keys = self._keys, None
        if keys is None:
            raise Unavailable("the keys of this flow were given or discarded before", Reason.CLOSED)
        return keys

    def discard(self) -> None:
        """Wipe both copies, unless the keys were given: then the other end needs its own."""
        keys, self._keys = self._keys, None
        if keys is not None:
            keys.wipe()
            self._withdraw()


def random_keys(cipher: Cipher) -> FlowKeys:
    """Fresh keys from the kernel's generator, record sequences zero."""
    return FlowKeys(cipher=cipher, client_to_server=_direction(cipher), server_to_client=_direction(cipher))


def _direction(cipher: Cipher) -> DirectionKeys:
    sizes = cipher.sizes
    key, salt, iv = (_random(size) for size in (sizes.key, sizes.salt, sizes.iv))
    return DirectionKeys(key=key, salt=salt, iv=iv, rec_seq=bytearray(sizes.rec_seq))


def _random(size: int) -> bytearray:
    """Read in place: bytes that cannot be wiped would stay in memory."""
    buffer = bytearray(size)
    with open("/dev/urandom", "rb", buffering=0) as source:
        if source.readinto(buffer) != size:
            raise Unavailable("'/dev/urandom' gave too few bytes")
    return buffer


def copy_keys(keys: FlowKeys) -> FlowKeys:
    """A copy with buffers of its own, for an owner that wipes them."""
    one, two = (
        DirectionKeys(key=k.key[:], salt=k.salt[:], iv=k.iv[:], rec_seq=k.rec_seq[:])
        for k in (keys.client_to_server, keys.server_to_client)
    )
    return FlowKeys(cipher=keys.cipher, version=keys.version, client_to_server=one, server_to_client=two)
