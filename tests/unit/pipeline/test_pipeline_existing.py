# SPDX-License-Identifier: Apache-2.0
"""Connections that are older than the agent: found in the kernel's own tables, and reset where that is wanted."""

from __future__ import annotations

import sys
from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlshub_core.pipeline import existing, sockdiag
from tlshub_core.testing.matching import row, rule_set
from tlshub_core.testing.memory_backend import MemoryBackend
from tlshub_core.testing.node import Link
from tlshub_core.types.errors import Unavailable
from tlshub_core.types.flow import Address, Mode, Side


def printed(address: Address, port: int) -> str:
    """As the kernel prints it: '%08X' of each 32-bit word as this machine reads it."""
    packed = address.packed
    words = [int.from_bytes(packed[i : i + 4], sys.byteorder) for i in range(0, len(packed), 4)]
    return "".join(f"{word:08X}" for word in words) + f":{port:04X}"


@given(st.ip_addresses(), st.integers(0, 65535))
def test_what_the_kernel_prints_is_read(address: Address, port: int) -> None:
    plain = (address.version == 6 and address.ipv4_mapped) or address
    assert existing.parse(printed(address, port)) == (plain, port)


@pytest.mark.skipif(sys.byteorder != "little", reason="the example is of a little-endian machine")
def test_an_example_of_the_kernels() -> None:
    assert existing.parse("0100007F:1F90") == (ip_address("127.0.0.1"), 8080)
    assert existing.parse("00000000000000000000000001000000:0016") == (ip_address("::1"), 22)
    assert existing.parse("0000000000000000FFFF00000100007F:0050") == (ip_address("127.0.0.1"), 80)


@pytest.mark.parametrize("text", ["", "0100007F", "0100007F:", "0100:50", "XX00007F:50", "0100007F:50:1"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        existing.parse(text)


def holding(link: Link, mode: Mode = Mode.REQUIRE, sides: frozenset[Side] = frozenset(Side)) -> MemoryBackend:
    port = link.tuple4.server_port
    return MemoryBackend(rule_set([replace(row(mode, ports=(port, port)), sides=sides)]))


def test_both_ends_are_found_with_their_sides(link: Link) -> None:
    found = existing.held(existing.established(), holding(link), 4646)
    assert sorted(found, key=lambda one: one[1]) == [(link.tuple4, Side.CLIENT), (link.tuple4, Side.SERVER)]


@pytest.mark.parametrize("side", Side)
def test_only_the_side_that_a_rule_holds(link: Link, side: Side) -> None:
    assert existing.held(existing.established(), holding(link, sides=frozenset({side})), 4646) == [(link.tuple4, side)]


@pytest.mark.parametrize("mode", [Mode.BYPASS, Mode.OBSERVE])
def test_what_no_rule_would_hold_is_left_out(link: Link, mode: Mode) -> None:
    assert existing.held(existing.established(), holding(link, mode), 4646) == []


def test_the_agents_own_sessions_are_left_out(link: Link) -> None:
    assert existing.held(existing.established(), holding(link), link.tuple4.server_port) == []


def test_a_connection_that_has_ended_is_left_out() -> None:
    link = Link.make()
    link.close()
    assert existing.held(existing.established(), holding(link), 4646) == []


def test_resetting(link: Link) -> None:
    try:
        count = existing.reset([(link.tuple4, Side.CLIENT)])
    except Unavailable as error:
        pytest.skip(f"this machine does not let sockets be destroyed: {error}")
    assert count == 1
    with pytest.raises(ConnectionResetError):
        link.server.recv(1)
    assert existing.reset([(link.tuple4, Side.CLIENT)]) == 0


def test_where_the_kernel_forbids_it_the_way_out_is_said(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> bool:
        raise PermissionError(1, "not permitted")

    monkeypatch.setattr(sockdiag, "destroy", forbidden)
    with pytest.raises(Unavailable, match="set 'existing = \"report\"'"):
        existing.reset([(link.tuple4, Side.CLIENT)])
