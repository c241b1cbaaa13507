# SPDX-License-Identifier: Apache-2.0
"""SOCK_DESTROY: the request byte by byte, a strict answer, and a real socket destroyed where that is allowed."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
from collections.abc import Iterator
from ctypes import c_uint8, c_uint16, c_uint32
from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlshub_core.pipeline import existing, sockdiag
from tlshub_core.pipeline.descriptor import cookie_of
from tlshub_core.testing.node import Link
from tlshub_core.types.flow import Side, Tuple4


class SockId(ctypes.BigEndianStructure):
    """struct inet_diag_sockid; interface and cookie are host order, and read apart."""

    _fields_ = (("sport", c_uint16), ("dport", c_uint16), ("src", c_uint8 * 16), ("dst", c_uint8 * 16))


class Tail(ctypes.Structure):
    """The rest of struct inet_diag_sockid."""

    _fields_ = (("interface", c_uint32), ("cookie", c_uint32 * 2))


class Request(ctypes.Structure):
    """struct nlmsghdr and struct inet_diag_req_v2."""

    _fields_ = (
        ("length", c_uint32), ("type", c_uint16), ("flags", c_uint16), ("seq", c_uint32), ("pid", c_uint32),
        ("family", c_uint8), ("protocol", c_uint8), ("ext", c_uint8), ("pad", c_uint8), ("states", c_uint32),
        ("id", SockId), ("tail", Tail),
    )  # fmt: skip


addresses = st.one_of(
    st.tuples(st.ip_addresses(v=4), st.ip_addresses(v=4)), st.tuples(st.ip_addresses(v=6), st.ip_addresses(v=6))
)
ports = st.integers(1, 65535)


@given(addresses, ports, ports, st.sampled_from(Side), st.integers(0, 2**64 - 1))
def test_request_is_the_kernels_struct(pair: tuple, client: int, server: int, side: Side, cookie: int) -> None:  # type: ignore[type-arg]
    tuple4 = Tuple4(client=pair[0], client_port=client, server=pair[1], server_port=server)
    data = sockdiag.request(cookie, tuple4, side)
    assert len(data) == ctypes.sizeof(Request) == 72
    sent = Request.from_buffer_copy(data)
    assert (sent.length, sent.type, sent.flags, sent.protocol) == (72, 21, 5, socket.IPPROTO_TCP)
    assert sent.family == (socket.AF_INET if pair[0].version == 4 else socket.AF_INET6)
    local, remote = ((0, client), (1, server)) if side is Side.CLIENT else ((1, server), (0, client))
    assert (sent.id.sport, sent.id.dport) == (local[1], remote[1])
    assert bytes(sent.id.src) == pair[local[0]].packed.ljust(16, b"\0")
    assert bytes(sent.id.dst) == pair[remote[0]].packed.ljust(16, b"\0")
    assert sent.tail.cookie[0] | sent.tail.cookie[1] << 32 == cookie


def acknowledgement(number: int) -> bytes:
    return struct.pack("=IHHIIi", 36, 2, 0, 1, 0, number) + bytes(16)


@given(st.integers(0, 4095))
def test_answer_is_the_errno(number: int) -> None:
    assert sockdiag.answer(acknowledgement(-number)) == number


@given(st.binary(max_size=80))
def test_answer_takes_nothing_else(data: bytes) -> None:
    try:
        number = sockdiag.answer(data)
    except ValueError:
        return
    assert data[4:6] == b"\x02\x00"
    assert struct.unpack_from("=i", data, 16)[0] == -number


@pytest.mark.parametrize("cut", [0, 15, 16, 19, 35])
def test_a_short_answer_is_refused(cut: int) -> None:
    with pytest.raises(ValueError):
        sockdiag.answer(acknowledgement(0)[:cut])


def test_positive_errno_and_other_types_are_refused() -> None:
    with pytest.raises(ValueError):
        sockdiag.answer(acknowledgement(1))
    with pytest.raises(ValueError):
        sockdiag.answer(struct.pack("=IHHIIi", 20, 3, 0, 1, 0, 0))


@pytest.mark.parametrize(("length", "number"), [(16, 0), (0, 0), (36, -4096), (36, -(2**31))])
def test_a_length_or_number_that_the_kernel_cannot_mean_is_refused(length: int, number: int) -> None:
    with pytest.raises(ValueError, match="no acknowledgement"):
        sockdiag.answer(struct.pack("=IHHIIi", length, 2, 0, 1, 0, number) + bytes(16))


@pytest.fixture(params=["127.0.0.2", "::1"])
def link(request: pytest.FixtureRequest) -> Iterator[Link]:
    try:
        link = Link.make() if request.param == "127.0.0.2" else link6()
    except OSError:
        pytest.skip(f"this machine has no address '{request.param}' on loopback")
    yield link
    link.close()


def link6() -> Link:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
        client = socket.create_connection(listener.getsockname()[:2])
        accepted, (_, port, *_) = listener.accept()
        here = IPv6Address("::1")
        tuple4 = Tuple4(client=here, client_port=port, server=here, server_port=listener.getsockname()[1])
        return Link(client=client, server=accepted, tuple4=tuple4)


def destroy(cookie: int, tuple4: Tuple4, side: Side) -> bool:
    try:
        return sockdiag.destroy(cookie, tuple4, side)
    except OSError as error:
        if error.errno in (errno.EPERM, errno.EACCES):
            pytest.skip("destroying a socket needs CAP_NET_ADMIN")
        if error.errno in (errno.EOPNOTSUPP, errno.EPROTONOSUPPORT):
            pytest.skip("this kernel has no CONFIG_INET_DIAG_DESTROY")
        raise


@pytest.mark.parametrize("side", Side)
def test_a_real_socket_is_destroyed_once(link: Link, side: Side) -> None:
    here, there = (link.client, link.server) if side is Side.CLIENT else (link.server, link.client)
    cookie = cookie_of(here)
    assert not destroy(cookie + 1_000_000, link.tuple4, side), "another socket of the same tuple is spared"
    here.getpeername()
    assert destroy(cookie, link.tuple4, side)
    with pytest.raises(ConnectionAbortedError):
        here.send(b"x")
    with pytest.raises(ConnectionResetError):
        there.recv(1)
    assert not destroy(cookie, link.tuple4, side)


def test_any_cookie_finds_it_too(link: Link) -> None:
    assert destroy(existing.ANY_COOKIE, link.tuple4, Side.CLIENT)


def test_disconnect_resets_the_peer(link: Link) -> None:
    sockdiag.disconnect(link.client.fileno())
    with pytest.raises(ConnectionResetError):
        link.server.recv(1)


def test_disconnect_of_no_socket_says_why() -> None:
    with open(os.devnull) as file, pytest.raises(OSError, match="connect to AF_UNSPEC"):
        sockdiag.disconnect(file.fileno())
