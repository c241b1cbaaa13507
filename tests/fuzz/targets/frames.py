# SPDX-License-Identifier: Apache-2.0
"""The frames of a peer's agent, in a stream that is cut anywhere: the size of the pieces, then the stream."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from uuid import UUID

from tests.fuzz.kit.target import Target
from tlshub_core.peering import decoder, frames
from tlshub_core.peering.frames import Foreign, Frame, FrameError, Leave, Left, Ready, Refuse, Secure, Type, Welcome
from tlshub_core.types.errors import Reason
from tlshub_core.types.flow import Tuple4

FLOW = UUID(int=7)
TUPLE = Tuple4(client=ip_address("10.1.0.1"), client_port=40_000, server=ip_address("10.2.0.1"), server_port=80)
TUPLE_6 = Tuple4(client=ip_address("fd00:1::1"), client_port=40_001, server=ip_address("fd00:2::1"), server_port=443)
FRAMES = (
    Welcome(),
    Secure(flow=FLOW, tuple4=TUPLE, provider="openssl", nonce=bytes(32), ciphers=(51, 52)),
    Secure(flow=FLOW, tuple4=TUPLE_6, provider="x", nonce=bytes(range(32)), ciphers=(51,)),
    Secure(flow=FLOW, tuple4=TUPLE, provider="openssl", nonce=bytes(32), ciphers=(51,), again=True),
    Ready(flow=FLOW, nonce=bytes(32), cipher=51),
    Refuse(flow=FLOW, reason=Reason.NOT_MINE, detail="no such address"),
    Refuse(flow=frames.NO_FLOW, reason=Reason.PEER_UNVERIFIED, detail="ünicode"),
    Leave(flow=FLOW, tuple4=TUPLE),
    Leave(flow=FLOW, tuple4=TUPLE_6),
    Leave(flow=FLOW, tuple4=TUPLE, reason=Reason.KERNEL_SOCKET),
    Left(flow=FLOW),
)
NEWER = b"\x00\x18" + bytes((frames.VERSION + 1, 99)) + FLOW.bytes + b"more"
NAMED_LATER = b"\x00\x1d\x01\x03" + FLOW.bytes + b"\x06future\x00\x00"


def streams() -> Iterable[bytes]:
    """Each frame that there is by itself, and all of them."""
    each = [*(frames.encode(frame) for frame in FRAMES), NEWER, NAMED_LATER]
    return [*each, b"".join(each)]


def _seeds() -> Iterable[bytes]:
    return [bytes((step,)) + stream for stream in streams() for step in (0, 6, 255)]


def _one(data: bytes) -> Iterable[str]:
    step, stream = data[0] + 1 if data else 1, data[1:]
    whole, fault = by_the_book(stream)
    got, seen = _fed(stream, step)
    assert (seen is None) == (fault is None), f"cut every {step} bytes: {seen}; by its lengths: {fault}"
    assert got == whole[: len(got)] and (fault or len(got) == len(whole)), f"cut every {step} bytes: {got}, not {whole}"
    return {_kind(frame) for frame in got}


def _kind(frame: Frame) -> str:
    """Of two that are one type here, by what sets them apart on the wire."""
    if isinstance(frame, Secure) and frame.again:
        return "again"
    if isinstance(frame, Leave) and frame.reason is not Reason.PASSTHROUGH:
        return "unfit"
    return type(frame).__name__.lower()


def _fed(stream: bytes, step: int) -> tuple[list[Frame], FrameError | None]:
    """What a decoder gives for a stream in pieces, until it raises."""
    taking, got = decoder.FrameDecoder(), list[Frame]()
    for at in range(0, len(stream), step):
        try:
            got += taking.feed(stream[at : at + step])
        except FrameError as error:
            _is_useless(taking)
            return got, error
        assert len(taking._rest) < frames.MAX_FRAME, "the decoder keeps more than a part of one frame"
    return got, None


def _is_useless(taking: decoder.FrameDecoder) -> None:
    try:
        taking.feed(frames.encode(Welcome()))
    except FrameError:
        return
    raise AssertionError("a decoder that has failed takes frames again")


def by_the_book(stream: bytes) -> tuple[list[Frame], FrameError | None]:
    """The frames by their lengths alone, up to the first that is none."""
    got: list[Frame] = []
    while len(stream) >= 2:
        size = int.from_bytes(stream[:2], "big")
        if not frames.HEADER_SIZE <= size <= frames.MAX_FRAME:
            return got, FrameError("its length")
        if len(stream) < size:
            break
        try:
            got.append(decoder.decode(stream[:size]))
        except FrameError as error:
            return got, error
        _is_as_written(got[-1], stream[:size])
        stream = stream[size:]
    return got, None


def _is_as_written(frame: Frame, raw: bytes) -> None:
    """Nothing is passed over: what is written of it are the bytes that came."""
    if isinstance(frame, Foreign):
        assert (raw[2], raw[4:20]) == (frame.version, frame.flow.bytes) and frame.version > frames.VERSION
    elif isinstance(frame, Refuse) and frame.reason.value.encode() != raw[21 : 21 + raw[20]]:
        assert frame.reason is Reason.PEER_REFUSED and frame.detail, "a reason of a later release, in words"
    else:
        assert frames.encode(frame) == raw, f"written anew, {frame} is other bytes"


TARGET = Target(
    one=_one,
    seeds=_seeds,
    kinds=frozenset({"foreign", *(kind.name.lower() for kind in Type)}),
    refusals=(),
    modules=("tlshub_core.peering.decoder", "tlshub_core.peering.frames", "tlshub_core.peering.tuples"),
)
