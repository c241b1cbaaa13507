# SPDX-License-Identifier: Apache-2.0
"""Keys of flows as JSON lines, the way a key log for this oracle is written; for tests with throw-away keys only.

A line: {"client": "10.0.0.1:40000", "server": "10.0.0.2:80", "cipher": "aes-gcm-128",
"c2s": {"key": HEX, "salt": HEX, "iv": HEX}, "s2c": {…}}; IPv6 addresses in brackets, "rec_seq" (hex) beside "iv" if it
is not 0. More lines for the same ends are for connections that followed each other. A line without its end is passed
over: an agent was killed, or its disk full, as it wrote it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from tlshub_core.verifying.ends import name_of

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


class KeyFile:
    """A key log that an agent may be writing: each call of `read` gives what was added since."""

    def __init__(self, path: Path) -> None:
        self._path, self._at, self._lines = path, 0, 0

    def read(self, last: bool = False) -> list[FlowKey]:
        """The keys on whole lines, and on the `last` one; raises ValueError with the line's number, and OSError."""
        with self._path.open("rb") as file:
            file.seek(self._at)
            added = file.read()
        whole = added if last else added[: added.rfind(b"\n") + 1]
        self._at += len(whole)
        first = self._lines + 1
        lines = whole.splitlines()
        self._lines += len(lines)
        return [self._line(number, text) for number, text in enumerate(lines, first) if not _torn(text)]

    def _line(self, number: int, text: bytes) -> FlowKey:
        try:
            return _flow(json.loads(text))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            kind = type(error).__name__
            raise ValueError(f"'{self._path}', line {number}: no keys of a flow: {kind}") from None


def _torn(text: bytes) -> bool:
    return text.startswith(b"{") and text.count(b"{") > text.count(b"}")


def load(path: Path) -> list[FlowKey]:
    """All keys of a file; raises ValueError with the line's number, and OSError."""
    return KeyFile(path).read(last=True)


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
