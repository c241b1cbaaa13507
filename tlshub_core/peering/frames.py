# SPDX-License-Identifier: Apache-2.0
"""The frames that two agents exchange inside their TLS session, and how they become bytes.

`u16 length (of the whole frame, big-endian), u8 version, u8 type, body`; at most 1024 bytes. In every frame about a
flow the flow's id is the first 16 bytes of the body, in every version to come, so that a newer one can be answered.
A frame carries the version that brought its type: an agent that does not know it refuses that flow, and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from uuid import UUID

from tlshub_core.peering import tuples
from tlshub_core.types.errors import UNFIT, Reason, TlshubError
from tlshub_core.types.flow import Tuple4

VERSION = 4
HEADER_SIZE = 4
MAX_FRAME = 1024
NONCE_SIZE = 32
MAX_NAME = 64
MAX_CIPHERS = 16
MAX_DETAIL = 512
NO_FLOW = UUID(int=0)


class FrameError(TlshubError):
    """The peer sent what is not a frame; its session ends."""


class Type(IntEnum):
    """The type byte."""

    SECURE = 1
    READY = 2
    REFUSE = 3
    WELCOME = 4
    LEAVE = 5
    LEFT = 6
    AGAIN = 7
    UNFIT = 8

    @property
    def version(self) -> int:
        """The version of the protocol that brought it."""
        return 1 if self <= Type.WELCOME else 2 if self <= Type.LEFT else 3 if self is Type.AGAIN else 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Secure:
    """The dialler asks for keys for one connection; `ciphers` are TLS_CIPHER_* values, unknown ones allowed.

    `again` (a type of its own on the wire): what was agreed on for this connection before is lost, because an agent or
    a session ended. What the listener has not used is replaced; it refuses where its end may have keys already.
    """

    flow: UUID
    tuple4: Tuple4
    provider: str
    nonce: bytes
    ciphers: tuple[int, ...]
    again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The listener holds its end, which will be KTLS or refused."""

    flow: UUID
    nonce: bytes
    cipher: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """The listener refuses the flow, or with the flow `NO_FLOW` the session."""

    flow: UUID
    reason: Reason
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcome:
    """The listener has verified the dialler (TLS 1.3 clients finish before they are verified)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    """The dialler's application speaks TLS itself: it will leave that connection alone if the listener does, too.

    With a `reason` of UNFIT (a type of its own on the wire; a reason more is a version more) its socket can take no
    TLS, and is in clear, whatever the listener answers.
    """

    flow: UUID
    tuple4: Tuple4
    reason: Reason = Reason.PASSTHROUGH


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """The listener leaves the connection alone: its end is in clear, or will be."""

    flow: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """A frame of a newer version, of which only the flow can be told; never sent."""

    flow: UUID
    version: int


Sendable = Secure | Ready | Refuse | Welcome | Leave | Left
Frame = Sendable | Foreign


def encode(frame: Sendable) -> bytes:
    """The bytes of a frame; raises ValueError where a field does not fit its place."""
    kind, body = _body(frame)
    size = HEADER_SIZE + len(body)
    if size > MAX_FRAME:
        raise ValueError(f"a frame of {size} bytes, at most {MAX_FRAME} are allowed")
    return size.to_bytes(2, "big") + bytes((kind.version, kind)) + body


def _body(frame: Sendable) -> tuple[Type, bytes]:
    match frame:
        case Secure():
            return Type.AGAIN if frame.again else Type.SECURE, frame.flow.bytes + _secure_rest(frame)
        case Ready():
            return Type.READY, frame.flow.bytes + _nonce(frame.nonce) + frame.cipher.to_bytes(2, "big")
        case Refuse():
            detail = clean(frame.detail).encode()
            reason = frame.reason.value.encode()
            return Type.REFUSE, frame.flow.bytes + _short(reason) + len(detail).to_bytes(2, "big") + detail
        case Welcome():
            return Type.WELCOME, b""
        case Leave(reason=Reason.PASSTHROUGH):
            return Type.LEAVE, frame.flow.bytes + tuples.pack(frame.tuple4)
        case Leave():
            return Type.UNFIT, frame.flow.bytes + tuples.pack(frame.tuple4) + _unfit(frame.reason)
        case Left():
            return Type.LEFT, frame.flow.bytes


def _unfit(reason: Reason) -> bytes:
    if reason not in UNFIT:
        raise ValueError(f"'{reason.value}' is no reason to leave a connection alone")
    return _short(reason.value.encode())


def _secure_rest(frame: Secure) -> bytes:
    if not 0 < len(frame.ciphers) <= MAX_CIPHERS:
        raise ValueError(f"{len(frame.ciphers)} ciphers in a frame, 1 to {MAX_CIPHERS} are allowed")
    ciphers = b"".join(cipher.to_bytes(2, "big") for cipher in frame.ciphers)
    name = _short(frame.provider.encode("ascii"))
    return tuples.pack(frame.tuple4) + name + _nonce(frame.nonce) + bytes((len(frame.ciphers),)) + ciphers


def _nonce(nonce: bytes) -> bytes:
    if len(nonce) != NONCE_SIZE:
        raise ValueError(f"a nonce of {len(nonce)} bytes, {NONCE_SIZE} are needed")
    return nonce


def _short(name: bytes) -> bytes:
    if not 0 < len(name) <= MAX_NAME:
        raise ValueError(f"a name of {len(name)} bytes, 1 to {MAX_NAME} are allowed")
    return bytes((len(name),)) + name


def clean(detail: str) -> str:
    """The text fit for a frame and for the other end's log: printable, at most 512 bytes of UTF-8."""
    printable = "".join(c if c.isprintable() else "?" for c in detail)
    return printable.encode()[:MAX_DETAIL].decode(errors="ignore")
