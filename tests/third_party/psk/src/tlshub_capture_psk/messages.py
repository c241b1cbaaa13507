# SPDX-License-Identifier: Apache-2.0
"""What nodes say to each other, one message a datagram: names, body, HMAC-SHA256; integers are big-endian."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from tlshub_capture_psk.encoding import Reader, name, pack
from tlshub_core.api import Reason, Tuple4

VERSION, MAC, NONCE, EPOCH, UUID_SIZE = 1, 32, 32, 16, 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """Are you there?"""

    nonce: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcome:
    """Ask in this epoch; the answer to the question with that nonce, as in all answers."""

    nonce: bytes
    epoch: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Hold the server's end of this connection, and tell me your nonce; `ciphers` are numbers, best first."""

    nonce: bytes
    epoch: bytes
    flow: UUID
    tuple4: Tuple4
    ciphers: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """It is held."""

    nonce: bytes
    server_nonce: bytes
    cipher: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """It is not, and never will be."""

    nonce: bytes
    reason: Reason


Message: TypeAlias = Hello | Welcome | Ask | Ready | Refuse
_KINDS: tuple[type[Message], ...] = (Hello, Welcome, Ask, Ready, Refuse)


def seal(key: bytearray, sender: str, receiver: str, message: Message) -> bytes:
    """The datagram; raises ValueError for a name of more than 255 bytes, OverflowError for what has no such form."""
    head = bytes((VERSION, _KINDS.index(type(message)))) + name(sender) + name(receiver)
    data = head + message.nonce + _body(message)
    return data + hmac.digest(key, data, "sha256")


def unseal(key: bytearray, data: bytes) -> tuple[str, str, Message]:
    """Sender, receiver and message; raises ValueError for anything that `seal` with that key cannot have made."""
    signed, mac = data[:-MAC], data[-MAC:]
    if not hmac.compare_digest(hmac.digest(key, signed, "sha256"), mac):
        raise ValueError("not signed with the secret of this node")
    rest = Reader(signed)
    version, kind = rest.take(1)[0], rest.take(1)[0]
    if version != VERSION or kind >= len(_KINDS):
        raise ValueError(f"version {version}, kind {kind}: of another release")
    sender, receiver = rest.name(), rest.name()
    message = _read(_KINDS[kind], rest.take(NONCE), rest)
    if rest.left():
        raise ValueError(f"{rest.left()} bytes behind the message")
    return sender, receiver, message


def _body(message: Message) -> bytes:
    match message:
        case Hello():
            return b""
        case Welcome():
            return message.epoch
        case Ready():
            return message.server_nonce + message.cipher.to_bytes(2, "big")
        case Refuse():
            return name(message.reason.value)
    ciphers = b"".join(cipher.to_bytes(2, "big") for cipher in message.ciphers)
    return message.epoch + message.flow.bytes + pack(message.tuple4) + bytes((len(message.ciphers),)) + ciphers


def _read(kind: type[Message], nonce: bytes, rest: Reader) -> Message:
    if kind is Hello:
        return Hello(nonce=nonce)
    if kind is Welcome:
        return Welcome(nonce=nonce, epoch=rest.take(EPOCH))
    if kind is Ready:
        return Ready(nonce=nonce, server_nonce=rest.take(NONCE), cipher=rest.number())
    if kind is Refuse:
        return Refuse(nonce=nonce, reason=Reason(rest.name()))
    epoch, flow, tuple4 = rest.take(EPOCH), UUID(bytes=rest.take(UUID_SIZE)), rest.tuple4()
    ciphers = tuple(rest.number() for _ in range(rest.take(1)[0]))
    return Ask(nonce=nonce, epoch=epoch, flow=flow, tuple4=tuple4, ciphers=ciphers)
