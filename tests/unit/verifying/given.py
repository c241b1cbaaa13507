# SPDX-License-Identifier: Apache-2.0
"""Connections as they cross the wire, and the rules that they are judged by."""

from __future__ import annotations

import json
import os

from tests.unit.verifying.frames import Packet, Talk, record

CONFIG = """
[keys]
provider = "openssl"
[peering]
node = "node-a"
any_node = true
[[rule]]
name = "by process"
match = { ports = [83], process = "curl", direction = "out" }
mode = "require"
[[rule]]
name = "web"
match = { ports = [80] }
mode = "require"
[[rule]]
name = "prefers"
match = { ports = [81] }
mode = "prefer"
[[rule]]
name = "watched"
match = { ports = [82] }
mode = "observe"
[[rule]]
name = "inside"
match = { ports = [84], cidrs = ["10.9.0.0/16"] }
mode = "require"
[[rule]]
name = "own"
match = { ports = [85] }
mode = "require"
passthrough = "tls"
[[rule]]
name = "peering"
match = { ports = [4646] }
mode = "require"
"""
SIZES = {"aes-gcm-128": (16, 4, 8), "aes-gcm-256": (32, 4, 8), "chacha20-poly1305": (32, 0, 12)}
Secrets = tuple[bytes, bytes]
HELLO = b"\x16\x03\x01\0\x05\1abcd"
_ANSWER = b"\x16\x03\x03\0\x05\2abcd\x14\x03\x03\0\1\1"


def spoken(talk: Talk, sent: bytes, received: bytes) -> list[Packet]:
    """A whole connection: handshake, what both ends send (if anything), and its end."""
    streams = [
        talk.stream(content, [len(content) // 2], way) for way, content in enumerate((sent, received)) if content
    ]
    return [*talk.hello(), *(packet for stream in streams for packet in stream), *talk.bye(len(sent), len(received))]


def secured(talk: Talk) -> list[Packet]:
    """Records alone, in both directions."""
    return spoken(talk, 3 * record(20), record(300))


def own_tls(talk: Talk) -> list[Packet]:
    """What TLS libraries send."""
    return spoken(talk, HELLO + b"\x14\x03\x03\0\1\1" + record(60), _ANSWER + record(70) + b"\x15\x03\x03\0\2\1\0")


def fresh(cipher: str) -> tuple[Secrets, Secrets]:
    """The key of each direction, and its salt and iv as one."""
    key, salt, iv = SIZES[cipher]
    one, other = ((os.urandom(key), os.urandom(salt + iv)) for _ in range(2))
    return one, other


def line(talk: Talk, cipher: str, secrets: tuple[Secrets, Secrets]) -> str:
    """What an agent logs of these keys."""
    salt = SIZES[cipher][1]
    c2s, s2c = ({"key": k.hex(), "salt": n[:salt].hex(), "iv": n[salt:].hex()} for k, n in secrets)
    client, server = (
        f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in (talk.client, talk.server)
    )
    return json.dumps({"client": client, "server": server, "cipher": cipher, "c2s": c2s, "s2c": s2c})
