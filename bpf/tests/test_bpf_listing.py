# SPDX-License-Identifier: Apache-2.0
"""The list of all sockets that a program looks through: asked for whole, read to its end, and no further."""

from __future__ import annotations

import contextlib
import errno
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tlshub_capture_bpf import listing

DONE, FAILED, SOCKET = 3, 2, 20


def message(kind: int, body: bytes = b"") -> bytes:
    """As the kernel writes one: its length, and padding that is not in it."""
    return struct.pack("=IHHII", 16 + len(body), kind, 2, 1, 0) + body + bytes(-len(body) % 4)


def test_it_asks_for_all_states_of_one_family() -> None:
    asked = listing.request(socket.AF_INET6)
    assert struct.unpack_from("=IHH", asked) == (len(asked), 20, 0x301) and len(asked) == 16 + 56
    assert struct.unpack_from("=BBBBI", asked, 16) == (socket.AF_INET6, socket.IPPROTO_TCP, 0, 0, 0xFFFFFFFF)
    assert not any(asked[24:])


def test_the_kernel_takes_it_and_it_ends() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        listing.list_all()


def test_it_ends_where_the_kernel_says_so() -> None:
    part = message(SOCKET, bytes(73))
    assert not listing.is_last(part + part)
    assert listing.is_last(message(DONE, bytes(4))) and listing.is_last(part + message(DONE, bytes(4)))
    with pytest.raises(PermissionError):
        listing.is_last(part + message(FAILED, struct.pack("=i", -errno.EPERM) + bytes(16)))


@given(st.binary(max_size=200))
def test_other_bytes_are_refused_or_looked_through(data: bytes) -> None:
    with contextlib.suppress(ValueError, OSError):
        assert isinstance(listing.is_last(data), bool)
