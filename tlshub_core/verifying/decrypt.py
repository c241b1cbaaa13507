# SPDX-License-Identifier: Apache-2.0
"""Opens TLS 1.3 records with the keys of their flow (RFC 8446, section 5.2 and 5.3), apart from the agent's code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlshub_core.verifying.framing import HEADER
from tlshub_core.verifying.keys import DirectionKey

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

APPLICATION_DATA = 23
_TAG = 16


class Opener:
    """One direction of one flow; `opened` and `failed` count records."""

    def __init__(self, key: DirectionKey, passed: int = 0) -> None:
        """Begins behind as many records as have `passed`. Raises ValueError where the key does not fit its cipher."""
        self._aead = _aead(key)
        self._nonce = int.from_bytes(key.nonce, "big")
        self._seq = key.rec_seq + passed
        self.opened = self.failed = 0

    def open(self, record: bytes) -> bytes | None:
        """The application's bytes in the next record, b"" where it is of another kind; None where it does not open.

        One that does not open still counts for the numbers of the next.
        """
        inner = self.try_record(record)
        self._seq += 1
        if inner is None:
            self.failed += 1
            return None
        self.opened += 1
        content = inner.rstrip(b"\0")
        return content[:-1] if content[-1:] == bytes([APPLICATION_DATA]) else b""

    def try_record(self, record: bytes) -> bytes | None:
        """The inner plaintext (content, type, padding) of a record; None where this is not its key or number."""
        from cryptography.exceptions import InvalidTag

        nonce = (self._nonce ^ self._seq).to_bytes(12, "big")
        if len(record) < HEADER + _TAG:
            return None
        try:
            return self._aead.decrypt(nonce, record[HEADER:], record[:HEADER])
        except InvalidTag:
            return None


def _aead(key: DirectionKey) -> AESGCM | ChaCha20Poly1305:
    # Imported here, since most verdicts need no cryptography, and a slow machine feels the import.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

    if key.cipher == "chacha20-poly1305":
        return ChaCha20Poly1305(key.key)
    return AESGCM(key.key)
