# SPDX-License-Identifier: Apache-2.0
"""What client and server of the bench say to each other, and what they take from nobody."""

from __future__ import annotations

import socket
import struct
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlshub_core.benching.frames import LARGEST, MAGIC, SIZE, Head, Operation, fill, head_of, put
from tlshub_core.benching.offer import VERSION, Offer, decode, encode

OFFER = Offer(version=VERSION, plain=7800, captured=7801, tls=7802, stunnel=None, authority="pem", workers=4)
HEADS = st.builds(
    Head, operation=st.sampled_from(Operation), size=st.integers(0, LARGEST), number=st.integers(0, 2**64 - 1)
)


@given(HEADS)
def test_a_head_is_what_it_was(head: Head) -> None:
    buffer = bytearray(SIZE)
    put(head, buffer)
    assert head_of(buffer) == head


@given(st.binary(max_size=2 * SIZE) | st.binary(min_size=16, max_size=16).map(lambda rest: MAGIC + rest))
def test_any_other_bytes_are_refused_or_written_the_same(data: bytes) -> None:
    try:
        head = head_of(data)
    except ValueError:
        return
    buffer = bytearray(SIZE)
    put(head, buffer)
    assert buffer == data


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost",
        struct.pack("!4sIIQ", MAGIC, 1, LARGEST + 1, 0),
        struct.pack("!4sIIQ", MAGIC, 3, 0, 0),
        b"",
    ],
)
def test_heads_that_are_none(data: bytes) -> None:
    with pytest.raises(ValueError):
        head_of(data)


def test_an_end_of_the_stream_is_one_only_between_messages() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"abc")
        theirs.shutdown(socket.SHUT_WR)
        buffer = bytearray(2)
        assert fill(ours, memoryview(buffer)) and buffer == b"ab"
        with pytest.raises(ConnectionResetError, match="after 1 of 2 bytes"):
            fill(ours, memoryview(buffer))
        assert not fill(ours, memoryview(buffer))


def test_an_offer_is_what_it_was() -> None:
    assert decode(encode(OFFER)) == OFFER


@given(st.binary(max_size=200) | st.binary(max_size=9).map(lambda data: encode(OFFER).replace(b"7800", data)))
def test_no_other_bytes_are_an_offer_with_ports_that_are_none(data: bytes) -> None:
    try:
        offer = decode(data)
    except ValueError:
        return
    assert 0 < offer.plain < 65536 and offer.workers > 0


@pytest.mark.parametrize("change", [{"version": 2}, {"tls": 0}, {"stunnel": 65536}, {"workers": 0}])
def test_offers_that_cannot_be(change: dict[str, int]) -> None:
    with pytest.raises(ValueError):
        replace(OFFER, **change)
