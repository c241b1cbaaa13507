# SPDX-License-Identifier: Apache-2.0
"""A connection whose master key is here, and whose keys nobody has derived yet."""

from __future__ import annotations

from socket import socket

from tlshub_capture_tlshub import secrets
from tlshub_capture_tlshub.memory import Memory
from tlshub_core.api import Cipher, FlowKeys, Isns, Reason, Refused, Tuple4, Unavailable, wipe


class MasterPending:
    """A Pending; `root` is what `secrets.extract` gave, and is wiped here."""

    __slots__ = ("_cipher", "_memory", "_root", "_tuple4")

    def __init__(self, root: bytearray, tuple4: Tuple4, cipher: Cipher, memory: Memory) -> None:
        self._root: bytearray | None = root
        self._tuple4, self._cipher, self._memory = tuple4, cipher, memory

    async def keys(self, isns: Isns, sock: socket | None) -> FlowKeys:
        """The keys, once; raises Refused where they would be those of an earlier connection."""
        root, self._root = self._root, None
        if root is None:
            raise Unavailable("the keys of this flow were given or discarded before", Reason.CLOSED)
        try:
            if not self._memory.spend(self._tuple4, secrets.mark(root), isns):
                message = "keys for these addresses, ports and sequence numbers were derived before: a handshake is due"
                raise Refused(message, Reason.REPLAYED)
            return secrets.derive(root, self._tuple4, isns, self._cipher)
        finally:
            wipe(root)

    def discard(self) -> None:
        """Wipe the root."""
        root, self._root = self._root, None
        if root is not None:
            wipe(root)
