# SPDX-License-Identifier: Apache-2.0
"""Opens TLS 1.3 records with the keys of their flow (RFC 8446, section 5.2 and 5.3), apart from the agent's code."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tlshub_core.verifying.keys import DirectionKey
from tlshub_core.verifying.records import HEADER

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

APPLICATION_DATA = 23
_TAG = 16


class Opener:
    """One direction of one flow; `plaintext` grows by what is opened, `opened` and `failed` count records."""

    def __init__(self, key: DirectionKey) -> None:
        """Raises ValueError where the key does not fit its cipher."""
        self._aead = _aead(key)
        self._nonce = int.from_bytes(key.nonce, "big")
        self._seq = key.rec_seq
        self.plaintext = bytearray()
        self.opened = self.failed = 0

    def open_all(self, stream: bytes | bytearray, spans: Iterable[tuple[int, int]]) -> None:
        """Open records in the order of the stream; one that does not open still counts for the numbers of the next."""
        for start, end in spans:
            inner = self.try_record(bytes(stream[start:end]), self._seq)
            self._seq += 1
            if inner is None:
                self.failed += 1
                continue
            self.opened += 1
            content = inner.rstrip(b"\0")
            if content[-1:] == bytes([APPLICATION_DATA]):
                self.plaintext += content[:-1]

    def try_record(self, record: bytes, seq: int | None = None) -> bytes | None:
        """The inner plaintext (content, type, padding) of a record; None where this is not its key or number."""
        from cryptography.exceptions import InvalidTag

        number = self._seq if seq is None else seq
        nonce = (self._nonce ^ number).to_bytes(12, "big")
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
