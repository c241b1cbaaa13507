# SPDX-License-Identifier: Apache-2.0
"""From a peer's bytes to frames: strict, since whatever is not exactly a frame ends the session."""

from __future__ import annotations

import re
from uuid import UUID

from tlshub_core.peering import tuples
from tlshub_core.peering.frames import (
    HEADER_SIZE,
    MAX_CIPHERS,
    MAX_DETAIL,
    MAX_FRAME,
    MAX_NAME,
    NONCE_SIZE,
    VERSION,
    Foreign,
    Frame,
    FrameError,
    Leave,
    Left,
    Ready,
    Refuse,
    Secure,
    Type,
    Welcome,
)
from tlshub_core.types.errors import UNFIT, Reason
from tlshub_core.types.flow import Tuple4

_NAME = re.compile(r"[A-Za-z0-9_.-]+\Z")


class FrameDecoder:
    """Takes chunks cut anywhere and gives whole frames; keeps less than one frame; useless after an error."""

    def __init__(self) -> None:
        self._rest = b""
        self._error: FrameError | None = None

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that are complete now; raises FrameError for whatever is not a frame, and ever after."""
        if self._error is not None:
            raise FrameError(str(self._error))
        try:
            return self._split(self._rest + data)
        except FrameError as error:
            self._error, self._rest = error, b""
            raise

    def _split(self, data: bytes) -> list[Frame]:
        frames: list[Frame] = []
        at = 0
        while len(data) - at >= 2:
            size = int.from_bytes(data[at : at + 2], "big")
            if not HEADER_SIZE <= size <= MAX_FRAME:
                raise FrameError(f"a frame of {size} bytes, {HEADER_SIZE} to {MAX_FRAME} are allowed")
            if len(data) - at < size:
                break
            frames.append(decode(data[at : at + size]))
            at += size
        self._rest = data[at:]
        return frames


class _Body:
    """A cursor that cannot run over the end."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, HEADER_SIZE

    def take(self, size: int) -> bytes:
        self._at += size
        if self._at > len(self._data):
            raise FrameError("a frame that ends too early")
        return self._data[self._at - size : self._at]

    def number(self, size: int, low: int, high: int) -> int:
        value = int.from_bytes(self.take(size), "big")
        if not low <= value <= high:
            raise FrameError(f"a field of {value} in a frame, {low} to {high} are allowed")
        return value

    def name(self) -> str:
        text = self.take(self.number(1, 1, MAX_NAME)).decode("latin-1")
        if not _NAME.match(text):
            raise FrameError("a name in a frame with other than letters, digits, '_', '.' and '-'")
        return text

    def flow(self) -> UUID:
        return UUID(bytes=self.take(16))

    def end(self) -> None:
        if self._at != len(self._data):
            raise FrameError(f"a frame with {len(self._data) - self._at} bytes too many")


def decode(data: bytes) -> Frame:
    """One whole frame, header included; raises FrameError."""
    body = _Body(data)
    if data[2] > VERSION:
        return Foreign(flow=body.flow(), version=data[2])
    frame = _known(_type(data), body)
    body.end()
    return frame


def _type(data: bytes) -> Type:
    try:
        kind = Type(data[3])
    except ValueError as error:
        raise FrameError(f"a frame of unknown type {data[3]}") from error
    if data[2] != kind.version:
        raise FrameError(f"a '{kind.name.lower()}' frame of version {data[2]}")
    return kind


def _known(kind: Type, body: _Body) -> Frame:
    match kind:
        case Type.SECURE | Type.AGAIN:
            return _secure(body, again=kind is Type.AGAIN)
        case Type.READY:
            return Ready(flow=body.flow(), nonce=body.take(NONCE_SIZE), cipher=body.number(2, 0, 0xFFFF))
        case Type.REFUSE:
            return _refuse(body)
        case Type.WELCOME:
            return Welcome()
        case Type.LEAVE:
            return Leave(flow=body.flow(), tuple4=_tuple(body))
        case Type.UNFIT:
            return Leave(flow=body.flow(), tuple4=_tuple(body), reason=_unfit(body))
        case Type.LEFT:
            return Left(flow=body.flow())


def _secure(body: _Body, *, again: bool) -> Secure:
    flow, tuple4, provider, nonce = body.flow(), _tuple(body), body.name(), body.take(NONCE_SIZE)
    ciphers = tuple(body.number(2, 0, 0xFFFF) for _ in range(body.number(1, 1, MAX_CIPHERS)))
    return Secure(flow=flow, tuple4=tuple4, provider=provider, nonce=nonce, ciphers=ciphers, again=again)


def _tuple(body: _Body) -> Tuple4:
    version = body.take(1)
    rest = body.take(4 + 2 * tuples.ADDRESS_SIZE.get(version[0], 0))
    try:
        return tuples.unpack(version + rest)
    except ValueError as error:
        raise FrameError(str(error)) from error


def _unfit(body: _Body) -> Reason:
    name = body.name()
    for reason in UNFIT:
        if reason.value == name:
            return reason
    raise FrameError("a frame that leaves a connection alone for a reason that is none")


def _refuse(body: _Body) -> Refuse:
    flow, name = body.flow(), body.name()
    try:
        detail = body.take(body.number(2, 0, MAX_DETAIL)).decode()
    except UnicodeDecodeError as error:
        raise FrameError("a detail in a frame that is not UTF-8") from error
    if not detail.isprintable():
        raise FrameError("a detail in a frame that is not printable")
    try:
        return Refuse(flow=flow, reason=Reason(name), detail=detail)
    except ValueError:
        # A later release may have more reasons; its no is a no all the same.
        return Refuse(flow=flow, reason=Reason.PEER_REFUSED, detail=detail or name)
