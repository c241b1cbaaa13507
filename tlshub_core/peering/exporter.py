# SPDX-License-Identifier: Apache-2.0
"""From a session's exporter, or from any two traffic secrets, to the keys of one connection."""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache
from typing import Protocol
from uuid import UUID

from tlshub_core.peering import tuples
from tlshub_core.types.flow import Tuple4
from tlshub_core.types.keys import Cipher, DirectionKeys, FlowKeys

LABEL = b"EXPORTER-TLS-Capture"
IV_SIZE = 12


class Exporter(Protocol):
    """What is needed of a TlsEngine here."""

    def export(self, label: bytes, context: bytes, size: int) -> bytearray: ...


def wipe(*buffers: bytearray) -> None:
    """Overwrite with zeros, in place."""
    for buffer in buffers:
        buffer[:] = bytes(len(buffer))


@lru_cache(maxsize=4)
def _digest_size(hash_name: str) -> int:
    return hashlib.new(hash_name).digest_size


def secret_size(cipher: Cipher) -> int:
    """Bytes of a traffic secret: those of the cipher's hash (RFC 8446, section 7.1)."""
    return _digest_size(cipher.hash_name)


def hkdf_expand(secret: bytes | bytearray, info: bytes, size: int, hash_name: str) -> bytearray:
    """HKDF-Expand (RFC 5869, section 2.3); raises ValueError above 255 blocks."""
    block_size = _digest_size(hash_name)
    if size > 255 * block_size:
        raise ValueError(f"hkdf with '{hash_name}' cannot give {size} bytes")
    out, block, counter = bytearray(), b"", 1
    while len(out) < size:
        block = hmac.digest(secret, block + info + bytes((counter,)), hash_name)
        out += block
        counter += 1
    out[size:] = bytes(len(out) - size)
    del out[size:]
    return out


def hkdf_expand_label(secret: bytes | bytearray, label: bytes, context: bytes, size: int, hash_name: str) -> bytearray:
    """HKDF-Expand-Label (RFC 8446, section 7.1); `label` without the prefix 'tls13 '."""
    return hkdf_expand(secret, _info(label, context, size), size, hash_name)


@lru_cache(maxsize=16)
def _info(label: bytes, context: bytes, size: int) -> bytes:
    full = b"tls13 " + label
    return size.to_bytes(2, "big") + bytes((len(full),)) + full + bytes((len(context),)) + context


def tls_export(secret: bytes | bytearray, label: bytes, context: bytes, size: int, hash_name: str) -> bytearray:
    """TLS-Exporter (RFC 8446, section 7.5) from a session's exporter master secret, for libraries without that call."""
    nothing = hashlib.new(hash_name).digest()
    derived = hkdf_expand_label(secret, label, nothing, len(nothing), hash_name)
    try:
        return hkdf_expand_label(derived, b"exporter", hashlib.new(hash_name, context).digest(), size, hash_name)
    finally:
        wipe(derived)


def flow_keys(secret_c2s: bytearray, secret_s2c: bytearray, cipher: Cipher) -> FlowKeys:
    """Keys from two traffic secrets (RFC 8446, section 7.3), of the length of the cipher's hash; the secrets stay."""
    return FlowKeys(
        cipher=cipher,
        client_to_server=_direction(secret_c2s, cipher),
        server_to_client=_direction(secret_s2c, cipher),
    )


def _direction(secret: bytearray, cipher: Cipher) -> DirectionKeys:
    sizes = cipher.sizes
    key = hkdf_expand_label(secret, b"key", b"", sizes.key, cipher.hash_name)
    nonce = hkdf_expand_label(secret, b"iv", b"", IV_SIZE, cipher.hash_name)
    salt, iv = nonce[: sizes.salt], nonce[sizes.salt :]
    wipe(nonce)
    return DirectionKeys(key=key, salt=salt, iv=iv, rec_seq=bytearray(sizes.rec_seq))


def context(flow: UUID, tuple4: Tuple4, client_nonce: bytes, server_nonce: bytes, cipher: Cipher) -> bytes:
    """The exporter context: flow id, canonical tuple, both 32-byte nonces, u16 cipher; big-endian."""
    return flow.bytes + tuples.pack(tuple4) + client_nonce + server_nonce + cipher.to_bytes(2, "big")


def export_flow_keys(engine: Exporter, ctx: bytes, cipher: Cipher) -> FlowKeys:
    """One exporter call for both traffic secrets (client to server first), wiped after use."""
    size = secret_size(cipher)
    both = engine.export(LABEL, ctx, 2 * size)
    c2s, s2c = both[:size], both[size:]
    try:
        return flow_keys(c2s, s2c, cipher)
    finally:
        wipe(both, c2s, s2c)
