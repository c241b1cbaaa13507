# SPDX-License-Identifier: Apache-2.0
"""Keys of flows as JSON lines, the way a key log for this oracle is written; for tests with throw-away keys only.

A line: {"client": "10.0.0.1:40000", "server": "10.0.0.2:80", "cipher": "aes-gcm-128",
"c2s": {"key": HEX, "salt": HEX, "iv": HEX}, "s2c": {…}}; IPv6 addresses in brackets, "rec_seq" (hex) beside "iv" if it
is not 0. More lines for the same ends are for connections that followed each other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from tlshub_core.verifying.flows import name_of

_KEY_SIZES = {"aes-gcm-128": 16, "aes-gcm-256": 32, "chacha20-poly1305": 32}


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectionKey:
    """One direction: its key, the 12 bytes that are combined with the record number, and the first record's number."""

    cipher: str
    key: bytes = field(repr=False)
    nonce: bytes = field(repr=False)
    rec_seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowKey:
    """Both directions of one connection, what the client sends first."""

    client: str
    server: str
    directions: tuple[DirectionKey, DirectionKey]


def load(path: Path) -> list[FlowKey]:
    """Read all keys; raises ValueError with the line's number, and OSError."""
    found = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        try:
            found.append(_flow(json.loads(line)))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"'{path}', line {number}: no keys of a flow: {type(error).__name__}") from None
    return found


def _flow(body: Mapping[str, object]) -> FlowKey:
    cipher = str(body["cipher"])
    return FlowKey(
        client=_end(str(body["client"])),
        server=_end(str(body["server"])),
        directions=(_direction(cipher, body["c2s"]), _direction(cipher, body["s2c"])),
    )


def _direction(cipher: str, body: object) -> DirectionKey:
    if not isinstance(body, dict):
        raise TypeError
    key, nonce = bytes.fromhex(body["key"]), bytes.fromhex(body["salt"] + body["iv"])
    if len(key) != _KEY_SIZES[cipher] or len(nonce) != 12:
        raise ValueError
    return DirectionKey(cipher=cipher, key=key, nonce=nonce, rec_seq=int(body.get("rec_seq", "0"), 16))


def _end(text: str) -> str:
    host, _, port = text.rpartition(":")
    return name_of(ip_address(host.strip("[]")).packed, int(port))
