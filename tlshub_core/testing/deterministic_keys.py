# SPDX-License-Identifier: Apache-2.0
"""The keys of the deterministic provider, of which a test can compute what it expects."""

from __future__ import annotations

from hashlib import sha256
from socket import socket

from tlshub_core.types.errors import Reason, Unavailable
from tlshub_core.types.flow import Isns
from tlshub_core.types.keys import Cipher, DirectionKeys, FlowKeys


class DeterministicPending:
    """Keys of the flow with that number."""

    def __init__(self, number: int, cipher: Cipher) -> None:
        self._number: int | None = number
        self._cipher = cipher

    async def keys(self, isns: Isns, sock: socket | None) -> FlowKeys:
        """The keys, once; raises Unavailable afterwards."""
        number, self._number = self._number, None
        if number is None:
            raise Unavailable("the keys of this flow were given or discarded before", Reason.CLOSED)
        return deterministic_keys(number, self._cipher)

    def discard(self) -> None:
        """Forget the flow."""
        self._number = None


def deterministic_keys(number: int, cipher: Cipher) -> FlowKeys:
    """The keys of the flow with that number: bytes of SHA-256 over direction and number, record sequences zero."""
    one, two = (_direction(f"{way} {number}", cipher) for way in ("client to server", "server to client"))
    return FlowKeys(cipher=cipher, client_to_server=one, server_to_client=two)


def _direction(text: str, cipher: Cipher) -> DirectionKeys:
    sizes = cipher.sizes
    key = bytearray(sha256(f"{text} key".encode()).digest()[: sizes.key])
    iv = bytearray(sha256(f"{text} iv".encode()).digest())
    return DirectionKeys(
        key=key, salt=iv[: sizes.salt], iv=iv[sizes.salt :][: sizes.iv], rec_seq=bytearray(sizes.rec_seq)
    )
