# SPDX-License-Identifier: Apache-2.0
"""The shared secret: its file, and the keys that come from it."""

from __future__ import annotations

import hmac
import os
from pathlib import Path
from socket import socket

from tlshub_capture_psk.encoding import pack
from tlshub_capture_psk.messages import Ask, Ready
from tlshub_core.api import Cipher, ConfigError, DirectionKeys, FlowKeys, Isns, Reason, Unavailable

LEAST, MOST = 32, 1024


def wipe(buffer: bytearray) -> None:
    """Overwrite with zeros, in place."""
    buffer[:] = bytes(len(buffer))


def expand(secret: bytearray, info: bytes, size: int) -> bytearray:
    """HKDF-Expand with SHA-256 (RFC 5869, section 2.3), `size` up to 8160 bytes."""
    out, block = bytearray(), b""
    while len(out) < size:
        block = hmac.digest(secret, block + info + bytes((len(out) // 32 + 1,)), "sha256")
        out += block
    return out[:size]


class Secret:
    """The two keys made of the secret: `mac` for datagrams, and one that connections' keys come from."""

    def __init__(self, secret: bytearray) -> None:
        self.mac, self._root = expand(secret, b"tlshub psk datagrams", 32), expand(secret, b"tlshub psk flows", 32)
        wipe(secret)

    @classmethod
    def read(cls, path: Path) -> Secret:
        """The secret in that file; raises ConfigError where nobody may rely on it."""
        try:
            with path.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode & 0o777
                text = file.read(4 * MOST)
        except OSError as error:
            raise ConfigError(f"cannot be read: {error.strerror}", file=str(path)) from error
        if mode & 0o077:
            raise ConfigError(f"has mode {mode:04o}, others may read it: chmod 600", file=str(path))
        return cls(_decoded(text, path))

    def of_flow(self, ask: Ask, ready: Ready) -> bytearray:
        """The secret of one connection: of all that identifies it, and of both nonces."""
        names = ask.flow.bytes + pack(ask.tuple4) + ready.cipher.to_bytes(2, "big")
        return bytearray(hmac.digest(self._root, names + ask.nonce + ready.server_nonce, "sha256"))

    def wipe(self) -> None:
        """Forget it."""
        wipe(self.mac)
        wipe(self._root)


def _decoded(text: bytes, path: Path) -> bytearray:
    try:
        secret = bytearray.fromhex(text.decode("ascii"))
    except ValueError:
        raise ConfigError("is not hexadecimal: make one with `openssl rand -hex 32`", file=str(path)) from None
    if not LEAST <= len(secret) <= MOST:
        raise ConfigError(f"has {len(secret)} bytes, expected {LEAST} to {MOST}", file=str(path))
    return secret


class PskPending:
    """Keys that two nodes agreed on; a Pending."""

    def __init__(self, secret: bytearray, cipher: Cipher) -> None:
        self._secret: bytearray | None = secret
        self._cipher = cipher

    async def keys(self, isns: Isns, sock: socket | None) -> FlowKeys:
        """The keys, once; raises Unavailable where they were given or discarded before."""
        secret, self._secret = self._secret, None
        if secret is None:
            raise Unavailable("the keys of this flow were given or discarded before", Reason.CLOSED)
        one, two = (_direction(secret, way, self._cipher) for way in (b"client to server", b"server to client"))
        wipe(secret)
        return FlowKeys(cipher=self._cipher, client_to_server=one, server_to_client=two)

    def discard(self) -> None:
        """Forget the flow."""
        if self._secret is not None:
            wipe(self._secret)
        self._secret = None


def _direction(secret: bytearray, way: bytes, cipher: Cipher) -> DirectionKeys:
    sizes = cipher.sizes
    parts = expand(secret, way, sizes.key + sizes.salt + sizes.iv)
    key, salt, iv = parts[: sizes.key], parts[sizes.key :][: sizes.salt], parts[sizes.key + sizes.salt :]
    wipe(parts)
    return DirectionKeys(key=key, salt=salt, iv=iv, rec_seq=bytearray(sizes.rec_seq))
