# SPDX-License-Identifier: Apache-2.0
"""The module's messages: requests byte by byte, replies strictly."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tlshub_capture_tlshub import wire
from tlshub_capture_tlshub.wire import Opcode, Request, Status

from plugins.tlshub.tests.stand_in import found, reply
from tlshub_core.api import Tuple4

MASTER = bytes(range(1, 33))
TUPLE = Tuple4(client=ip_address("10.1.0.2"), client_port=0x9C41, server=ip_address("10.2.0.3"), server_port=443)
NODE = IPv4Address("192.0.2.11")


def header(length: int) -> str:
    return struct.pack("=IHHII", length, 0, 0, 0, 77).hex()


@pytest.mark.parametrize(
    ("opcode", "server", "last"), [(Opcode.START, False, "01000000"), (Opcode.FETCH, True, "02010000")]
)
def test_requests_are_laid_out_as_the_tables_say(opcode: Opcode, server: bool, last: str) -> None:
    request = Request.about(opcode, TUPLE, server=server, node=NODE)
    assert wire.encode(1, request, 77).hex() == header(32) + "0a0100020a0200039c4101bb" + last
    assert wire.encode(2, request, 77).hex() == header(36) + "0a0100020a020003c000020b9c4101bb" + last


def test_init_is_of_the_server_and_about_no_connection() -> None:
    init = Request(opcode=Opcode.INIT, server=True)
    assert wire.encode(1, init, 77).hex() == header(32) + "00" * 12 + "00010000"
    assert wire.encode(2, init, 77).hex() == header(36) + "00" * 16 + "00010000"


def test_ipv6_cannot_be_asked_for() -> None:
    with pytest.raises(ValueError, match="not two IPv4 addresses"):
        Request.about(
            Opcode.FETCH, Tuple4(client=ip_address("::1"), client_port=1, server=NODE, server_port=2), server=False
        )


@given(st.binary(max_size=300) | st.binary(min_size=144, max_size=144))
def test_any_bytes_are_a_reply_or_a_value_error(data: bytes) -> None:
    try:
        got = wire.decode(bytearray(data))
        fetched = wire.fetched(got)
    except ValueError:
        return
    assert len(data) == 144
    assert int.from_bytes(data[17:21], "little", signed=True) == fetched.status if struct.pack("=H", 1)[0] else True
    assert len(fetched.master) == (32 if fetched.status is Status.OK else 0)


@given(st.integers(0, 255), st.binary(max_size=125), st.sampled_from([142, 143, 144]))
def test_what_is_well_formed_is_decoded(kind: int, body: bytes, length: int) -> None:
    got = wire.decode(bytearray(reply(kind, body, length=length)))
    assert got.kind == kind
    assert wire.text(got).isprintable()
    assert body.hex() not in repr(got) or len(body) < 2


@pytest.mark.parametrize("size", [0, 15, 143, 145])
def test_a_short_or_long_reply_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"a reply of {size} bytes, expected 144"):
        wire.decode(bytearray(size))


@pytest.mark.parametrize("length", [0, 36, 141, 145, 2**32 - 1])
def test_a_header_that_says_otherwise_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match=f"header says {length} bytes"):
        wire.decode(bytearray(reply(0, length=length)))


@pytest.mark.parametrize("kind", [0, 6, 8, 255])
def test_a_key_is_read_where_it_is(kind: int) -> None:
    got = wire.fetched(wire.decode(bytearray(reply(kind, struct.pack("=i", 0) + MASTER))))
    assert (got.status, bytes(got.master)) == (Status.OK, MASTER)
    assert MASTER.hex() not in repr(got) and "master" not in repr(got)


@pytest.mark.parametrize("kind", [1, 2, 3, 5, 7])
def test_another_request_s_reply_is_no_key(kind: int) -> None:
    with pytest.raises(ValueError, match=f"a reply of type {kind} "):
        wire.fetched(wire.decode(bytearray(reply(kind, struct.pack("=i", 0) + MASTER))))


@pytest.mark.parametrize("status", [Status.NOT_DONE, Status.EXPIRED])
def test_without_a_key_none_is_given(status: Status) -> None:
    got = wire.fetched(wire.decode(bytearray(found(status, MASTER))))
    assert (got.status, got.master) == (status, b"")


@pytest.mark.parametrize("status", [1, -3, 2**31 - 1, -(2**31)])
def test_an_unknown_status_is_refused(status: int) -> None:
    with pytest.raises(ValueError, match=f"the unknown status {status}$"):
        wire.fetched(wire.decode(bytearray(found(status, MASTER))))


def test_a_key_of_zeros_is_refused() -> None:
    with pytest.raises(ValueError, match="zeros only"):
        wire.fetched(wire.decode(bytearray(found(0, bytes(32)))))


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"one line\n\0\xff" * 3, "one line"),
        (b"a\x1b[31mred\nb", "a\\x1b[31mred\\x0ab"),
        ("握手".encode(), "握手"),
        (b"\xff" + b"x" * 124, "\\xff" + "x" * 124),
        (b"", ""),
    ],
)
def test_log_text_is_one_printable_line(body: bytes, text: str) -> None:
    assert wire.text(wire.decode(bytearray(reply(4, body)))) == text


def test_a_wiped_reply_has_nothing() -> None:
    got = wire.decode(bytearray(found(0, MASTER)))
    got.wipe()
    assert not any(got.data)
