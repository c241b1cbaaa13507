# SPDX-License-Identifier: Apache-2.0
"""Where the library writes the secrets of a handshake, and the one of them that is wanted.

The library has no exporter call, but a key log: a file, opened by its path, to which it appends lines in the NSS format
'EXPORTER_SECRET <client random> <secret>', both in hex.
"""

from __future__ import annotations

import os
import weakref

from tlshub_core.api import Reason, Unavailable
from tlshub_core.peering.exporter import wipe

LABEL = b"EXPORTER_SECRET "
RANDOM_DIGITS = 64
HASHES = {32: "sha256", 48: "sha384"}  # by the length of the secret, which is that of the cipher suite's hash
_DIGITS = frozenset(b"0123456789abcdef")


class KeyLog:
    """A file in memory that no folder shows, and that holds something during a call of the library only."""

    def __init__(self) -> None:
        self._fd = os.memfd_create("tlshub-boringssl")
        weakref.finalize(self, os.close, self._fd)

    @property
    def path(self) -> str:
        """The path to open it by, in this process."""
        return f"/proc/self/fd/{self._fd}"

    def take(self) -> bytearray:
        """The exporter master secret that was written since, or nothing; all that was written is overwritten and gone.

        The lines name no connection of ours: whoever calls the library takes before anybody else calls it.
        """
        size = os.fstat(self._fd).st_size
        if not size:
            return bytearray()
        lines = bytearray(size)
        try:
            os.preadv(self._fd, [lines], 0)
            return exporter_secret(lines)
        finally:
            wipe(lines)
            os.pwrite(self._fd, bytes(size), 0)
            os.ftruncate(self._fd, 0)


def exporter_secret(lines: bytearray) -> bytearray:
    """The secret of the line EXPORTER_SECRET, which must be the only one and 32 or 48 bytes; empty where there is none.

    Nothing but the secret leaves `lines`, and no immutable copy of it is made. Raises Unavailable for another form.
    """
    begin = lines.find(LABEL)
    if begin < 0:
        return bytearray()
    digits = begin + len(LABEL) + RANDOM_DIGITS + 1
    size, odd = divmod(lines.find(b"\n", begin) - digits, 2)
    if odd or size not in HASHES or lines.count(LABEL) != 1 or lines[digits - 1 : digits] != b" ":
        raise _unknown("is not of the form that is known")
    return _decoded(lines, digits, size)


def _decoded(lines: bytearray, at: int, size: int) -> bytearray:
    secret = bytearray(size)
    for number in range(size):
        high, low = lines[at + 2 * number], lines[at + 2 * number + 1]
        if high not in _DIGITS or low not in _DIGITS:
            wipe(secret)
            raise _unknown("is not in hex")
        secret[number] = _nibble(high) << 4 | _nibble(low)
    return secret


def _nibble(digit: int) -> int:
    return (digit & 15) + 9 * (digit >> 6)


def _unknown(what: str) -> Unavailable:
    return Unavailable(f"the line 'EXPORTER_SECRET' of BoringSSL's key log {what}", Reason.PROVIDER_FAILED)
