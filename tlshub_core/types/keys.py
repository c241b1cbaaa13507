# SPDX-License-Identifier: Apache-2.0
"""Key material in the shapes of <linux/tls.h>; no field of it has a repr or takes part in equality."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple


class Version(IntEnum):
    """TLS record versions, with the values of <linux/tls.h>."""

    TLS_1_2 = 0x0303
    TLS_1_3 = 0x0304


class Cipher(IntEnum):
    """Ciphers with the values of <linux/tls.h> (TLS_CIPHER_*)."""

    AES_GCM_128 = 51
    AES_GCM_256 = 52
    CHACHA20_POLY1305 = 54

    @property
    def label(self) -> str:
        """The name used in configuration and events, such as 'aes-gcm-128'."""
        return self.name.lower().replace("_", "-")

    @property
    def sizes(self) -> CipherSizes:
        """Lengths in bytes of key, salt, iv and rec_seq in this cipher's struct tls12_crypto_info_*."""
        return _SIZES[self]

    @property
    def hash_name(self) -> str:
        """The hash of the TLS 1.3 suite with this AEAD (RFC 8446, appendix B.4)."""
        return "sha384" if self is Cipher.AES_GCM_256 else "sha256"

    @classmethod
    def of(cls, label: str) -> Cipher:
        """The cipher with that label; raises ValueError for an unknown one."""
        for cipher in cls:
            if cipher.label == label:
                return cipher
        raise ValueError(f"unknown cipher '{label}', expected one of " + ", ".join(f"'{c.label}'" for c in cls))


class CipherSizes(NamedTuple):
    """Field lengths in bytes of one struct tls12_crypto_info_*."""

    key: int
    salt: int
    iv: int
    rec_seq: int


_SIZES = {
    Cipher.AES_GCM_128: CipherSizes(16, 4, 8, 8),
    Cipher.AES_GCM_256: CipherSizes(32, 4, 8, 8),
    Cipher.CHACHA20_POLY1305: CipherSizes(32, 0, 12, 8),
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DirectionKeys:
    """Keys of one direction; lengths are those of the cipher's struct in <linux/tls.h>."""

    key: bytearray = field(repr=False)
    salt: bytearray = field(repr=False)
    iv: bytearray = field(repr=False)
    rec_seq: bytearray = field(repr=False)

    def wipe(self) -> None:
        """Overwrite every byte with zero, in place."""
        for buffer in (self.key, self.salt, self.iv, self.rec_seq):
            buffer[:] = bytes(len(buffer))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FlowKeys:
    """Keys of one connection, both directions; raises ValueError where a length does not fit the cipher."""

    cipher: Cipher
    version: Version = Version.TLS_1_3
    client_to_server: DirectionKeys
    server_to_client: DirectionKeys

    def __post_init__(self) -> None:
        for name, keys in (("client_to_server", self.client_to_server), ("server_to_client", self.server_to_client)):
            have = CipherSizes(len(keys.key), len(keys.salt), len(keys.iv), len(keys.rec_seq))
            if have != self.cipher.sizes:
                raise ValueError(
                    f"'{name}' has field lengths {tuple(have)}, '{self.cipher.label}' needs {tuple(self.cipher.sizes)}"
                )
        if self.client_to_server.key == self.server_to_client.key:
            raise ValueError("both directions have the same key")

    def wipe(self) -> None:
        """Overwrite the keys of both directions."""
        self.client_to_server.wipe()
        self.server_to_client.wipe()
