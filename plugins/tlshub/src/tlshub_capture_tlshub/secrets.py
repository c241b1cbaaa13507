# SPDX-License-Identifier: Apache-2.0
"""From a master key to the keys of one connection: HKDF-SHA256 (RFC 5869), then TLS 1.3's key schedule.

A master key only ever enters HKDF-Extract, with an empty salt. What is expanded from that: two traffic secrets for each
connection, told apart by cipher, tuple, both first sequence numbers and direction; and a mark to know it again by.
"""

from __future__ import annotations

import hmac

from tlshub_core.api import Cipher, FlowKeys, Isns, Tuple4, flow_keys, hkdf_expand, pack_tuple, secret_size, wipe

HASH = "sha256"
TRAFFIC, MARK = b"tlshub-capture traffic", b"tlshub-capture mark"
MARK_SIZE = 16
CLIENT_TO_SERVER, SERVER_TO_CLIENT = b"\1", b"\2"


def extract(master: bytearray) -> bytearray:
    """HKDF-Extract (RFC 5869, section 2.2) with an empty salt, 32 bytes; the master key is wiped."""
    try:
        return bytearray(hmac.digest(b"", master, HASH))
    finally:
        wipe(master)


def mark(root: bytearray) -> bytes:
    """16 bytes to know a master key again by; no key can be had from them."""
    return bytes(hkdf_expand(root, MARK, MARK_SIZE, HASH))


def derive(root: bytearray, tuple4: Tuple4, isns: Isns, cipher: Cipher) -> FlowKeys:
    """The connection's keys; `root` is what `extract` gave, and stays."""
    size = secret_size(cipher)
    c2s, s2c = (
        hkdf_expand(root, info(cipher, tuple4, isns, way), size, HASH) for way in (CLIENT_TO_SERVER, SERVER_TO_CLIENT)
    )
    try:
        return flow_keys(c2s, s2c, cipher)
    finally:
        wipe(c2s, s2c)


def info(cipher: Cipher, tuple4: Tuple4, isns: Isns, way: bytes) -> bytes:
    """HKDF's info: label, u16 cipher of <linux/tls.h>, packed tuple, u32 first sequence numbers, u8 way; big-endian."""
    numbers = isns.client.to_bytes(4, "big") + isns.server.to_bytes(4, "big")
    return TRAFFIC + cipher.to_bytes(2, "big") + pack_tuple(tuple4) + numbers + way
