# SPDX-License-Identifier: Apache-2.0
"""Frames: what is encoded comes back, and nothing else gets in."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlshub_core.peering import frames, tuples
from tlshub_core.peering.decoder import FrameDecoder
from tlshub_core.peering.frames import Foreign, FrameError, Leave, Left, Ready, Refuse, Secure, Sendable, Welcome
from tlshub_core.types.errors import UNFIT, Reason
from tlshub_core.types.flow import Tuple4

FLOW = UUID(int=7)
TUPLE = Tuple4(client=IPv4Address("10.0.0.1"), client_port=4000, server=IPv4Address("10.0.0.2"), server_port=80)
SECURE = Secure(flow=FLOW, tuple4=TUPLE, provider="some", nonce=bytes(32), ciphers=(51, 52))
ports = st.integers(0, 65535)
numbers = st.integers(0, 0xFFFF)
nonces = st.binary(min_size=32, max_size=32)
printable = st.text(max_size=200).map(frames.clean)
v4 = st.builds(Tuple4, client=st.ip_addresses(v=4), client_port=ports, server=st.ip_addresses(v=4), server_port=ports)
plain6 = st.ip_addresses(v=6).filter(lambda a: isinstance(a, IPv6Address) and a.ipv4_mapped is None)
v6 = st.builds(Tuple4, client=plain6, client_port=ports, server=plain6, server_port=ports)
secures = st.builds(
    Secure,
    flow=st.uuids(),
    tuple4=v4 | v6,
    provider=st.from_regex(r"[a-z0-9_.-]{1,64}", fullmatch=True),
    nonce=nonces,
    ciphers=st.lists(numbers, min_size=1, max_size=16).map(tuple),
    again=st.booleans(),
)
readies = st.builds(Ready, flow=st.uuids(), nonce=nonces, cipher=numbers)
refusals = st.builds(Refuse, flow=st.uuids(), reason=st.sampled_from(Reason), detail=printable)
leaves = st.builds(Leave, flow=st.uuids(), tuple4=v4 | v6, reason=st.sampled_from([Reason.PASSTHROUGH, *UNFIT]))
lefts = st.builds(Left, flow=st.uuids())
any_frame = secures | readies | refusals | leaves | lefts | st.just(Welcome())


@given(st.lists(any_frame, max_size=4), st.data())
def test_round_trip_with_cuts_anywhere(sent: list[Sendable], data: st.DataObject) -> None:
    wire = b"".join(frames.encode(frame) for frame in sent)
    decoder, got = FrameDecoder(), []
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=6)))
    for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True):
        got += decoder.feed(wire[start:end])
    assert got == sent


@given(st.binary(max_size=3000), st.integers(1, 700))
def test_random_bytes_raise_nothing_but_frame_errors(noise: bytes, step: int) -> None:
    decoder = FrameDecoder()
    try:
        for at in range(0, len(noise), step):
            decoder.feed(noise[at : at + step])
    except FrameError:
        with pytest.raises(FrameError):
            decoder.feed(frames.encode(Welcome()))


@given(any_frame, st.data())
def test_changed_frames_raise_nothing_but_frame_errors(frame: Sendable, data: st.DataObject) -> None:
    wire = bytearray(frames.encode(frame))
    wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
    with suppress(FrameError):
        for other in FrameDecoder().feed(bytes(wire)):
            assert isinstance(other, Foreign | Refuse) or frames.encode(other) == wire


@given(secures | readies | refusals, st.integers(frames.VERSION + 1, 255), st.binary(max_size=100))
def test_newer_version_still_names_its_flow(frame: Secure | Ready | Refuse, version: int, more: bytes) -> None:
    body = frame.flow.bytes + more
    wire = (4 + len(body)).to_bytes(2, "big") + bytes((version, 77)) + body
    assert FrameDecoder().feed(wire) == [Foreign(flow=frame.flow, version=version)]


@given(any_frame, st.binary(min_size=1, max_size=20))
def test_trailing_bytes_are_refused(frame: Sendable, more: bytes) -> None:
    wire = frames.encode(frame)
    longer = (len(wire) + len(more)).to_bytes(2, "big") + wire[2:] + more
    with pytest.raises(FrameError):
        FrameDecoder().feed(longer)


@given(secures | readies | refusals, st.integers(1, 1000))
def test_short_bodies_are_refused(frame: Sendable, cut: int) -> None:
    wire = frames.encode(frame)
    short = wire[: max(4, len(wire) - cut)]
    with pytest.raises(FrameError):
        FrameDecoder().feed(len(short).to_bytes(2, "big") + short[2:])


@pytest.mark.parametrize(
    ("wire", "message"),
    [
        (b"\x04\x01\x01\x01", "a frame of 1025 bytes, 4 to 1024 are allowed"),
        (b"\xff\xff", "a frame of 65535 bytes, 4 to 1024 are allowed"),
        (b"\x00\x03\x01\x01", "a frame of 3 bytes, 4 to 1024 are allowed"),
        (b"\x00\x04\x01\x09", "a frame of unknown type 9"),
        (b"\x00\x04\x00\x04", "a 'welcome' frame of version 0"),
        (b"\x00\x04\x02\x04", "a 'welcome' frame of version 2"),
        (b"\x00\x15\x02\x07" + bytes(17), "a 'again' frame of version 2"),
        (b"\x00\x15\x01\x06" + bytes(17), "a 'left' frame of version 1"),
        (b"\x00\x15\x02\x08" + bytes(17), "a 'unfit' frame of version 2"),
        (b"\x00\x04\x05\x04", "a frame that ends too early"),
        (b"GET / HTTP/1.1\r\n", "a frame of 18245 bytes, 4 to 1024 are allowed"),
    ],
)
def test_malformed(wire: bytes, message: str) -> None:
    with pytest.raises(FrameError, match=f"^{message}$"):
        FrameDecoder().feed(wire)


def test_bad_utf8_and_control_characters_are_refused() -> None:
    good = frames.encode(Refuse(flow=FLOW, reason=Reason.CLOSED, detail="abc"))
    for bad in (b"\xff\xfe\xfd", b"a\nb", b"\x1b[m"):
        with pytest.raises(FrameError):
            FrameDecoder().feed(good[:-3] + bad)


def test_unknown_reason_is_still_a_refusal() -> None:
    name = b"from-the-future"
    body = FLOW.bytes + bytes((len(name),)) + name + b"\x00\x00"
    wire = (4 + len(body)).to_bytes(2, "big") + b"\x01\x03" + body
    assert FrameDecoder().feed(wire) == [Refuse(flow=FLOW, reason=Reason.PEER_REFUSED, detail=name.decode())]


@pytest.mark.parametrize("reason", sorted(set(Reason) - UNFIT, key=lambda reason: reason.value))
def test_no_other_reason_leaves_a_connection_alone(reason: Reason) -> None:
    good = frames.encode(Leave(flow=FLOW, tuple4=TUPLE, reason=Reason.MPTCP))
    name = reason.value.encode()
    bad = good[: -len("mptcp") - 1] + bytes((len(name),)) + name
    with pytest.raises(FrameError, match="for a reason that is none"):
        FrameDecoder().feed(len(bad).to_bytes(2, "big") + bad[2:])
    if reason is not Reason.PASSTHROUGH:  # which has a frame of its own
        with pytest.raises(ValueError, match=f"'{reason.value}' is no reason"):
            frames.encode(Leave(flow=FLOW, tuple4=TUPLE, reason=reason))


def test_what_does_not_fit_is_not_encoded() -> None:
    mixed = Tuple4(client=IPv6Address("::1"), client_port=1, server=IPv4Address("10.0.0.2"), server_port=2)
    mapped = Tuple4(client=IPv6Address("::ffff:1.2.3.4"), client_port=1, server=IPv6Address("::1"), server_port=2)
    bad: list[dict[str, object]] = [{"tuple4": mixed}, {"tuple4": mapped}, {"nonce": b"short"}, {"ciphers": ()}]
    bad += [{"provider": ""}, {"provider": "x" * 65}, {"ciphers": tuple(range(17))}, {"provider": "ü"}]
    for change in bad:
        fields = {name: getattr(SECURE, name) for name in ("flow", "tuple4", "provider", "nonce", "ciphers")}
        with pytest.raises(ValueError):
            frames.encode(Secure(**{**fields, **change}))


def test_long_details_are_cut_between_characters() -> None:
    detail = frames.clean("ä" * 400 + "\n")
    assert len(detail.encode()) == 512
    assert frames.encode(Refuse(flow=FLOW, reason=Reason.CLOSED, detail="ä" * 4000))


@given(v4 | v6)
def test_tuples_round_trip(tuple4: Tuple4) -> None:
    assert tuples.unpack(tuples.pack(tuple4)) == tuple4


def test_mapped_addresses_are_not_unpacked() -> None:
    packed = b"\x06" + IPv6Address("::ffff:1.2.3.4").packed + b"\x00\x01" + IPv6Address("::1").packed + b"\x00\x02"
    with pytest.raises(ValueError, match="IPv4-mapped"):
        tuples.unpack(packed)
