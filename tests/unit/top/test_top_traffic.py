# SPDX-License-Identifier: Apache-2.0
"""Bytes that a connection has carried: of real sockets, and of answers of any content."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.targets.answers import FLOW
from tests.unit.top.answers import flows
from tlshub_core.control.rows import FlowRow
from tlshub_core.testing.node import Link
from tlshub_core.top import traffic

SYN = 1  # bytes_acked counts it


@pytest.fixture
def link() -> Iterator[Link]:
    link = Link.make()
    yield link
    link.close()


def ends(link: Link) -> list[FlowRow]:
    found = link.tuple4
    client, server = f"{found.client}:{found.client_port}", f"{found.server}:{found.server_port}"
    return [replace(FLOW, id=side, side=side, client=client, server=server) for side in ("client", "server")]


def test_of_either_end(link: Link) -> None:
    link.client.sendall(b"x" * 1000)
    assert len(link.server.recv(1000)) == 1000
    link.server.sendall(b"y" * 10)
    assert len(link.client.recv(10)) == 10
    assert traffic.carried(ends(link)) == {"client": 1010 + SYN, "server": 1010}
    link.close()
    assert traffic.carried([replace(row, client="10.0.0.1:1") for row in ends(link)]) == {}


@given(st.lists(flows, max_size=3))
def test_whatever_an_agent_names_is_asked_for_or_left_out(rows: list[FlowRow]) -> None:
    assert set(traffic.carried(rows)) <= {row.id for row in rows}


def answer(attributes: bytes, kind: int = 20, length: int | None = None) -> bytes:
    body = bytes(72) + attributes
    return struct.pack("=IHHII", 16 + len(body) if length is None else length, kind, 0, 1, 0) + body


def attribute(kind: int, payload: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(payload), kind) + payload + bytes(-len(payload) % 4)


INFO = attribute(2, bytes(120) + struct.pack("=QQ", 5, 6) + bytes(40))


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (answer(INFO), 11),
        (answer(attribute(1, b"abc") + INFO), 11),
        (answer(b""), None),
        (answer(attribute(2, bytes(120))), None),
        (answer(struct.pack("=HH", 0, 2) + INFO), None),
        (answer(struct.pack("=HH", 9999, 2) + INFO), None),
        (answer(INFO, kind=2), None),
        (answer(INFO, length=9999), None),
        (answer(INFO, length=0), None),
        (b"", None),
    ],
)
def test_answers_of_the_kernel(data: bytes, found: int | None) -> None:
    assert traffic.count(data) == found


@given(st.binary(max_size=300) | st.binary(max_size=200).map(answer))
def test_any_answer_is_a_number_or_none(data: bytes) -> None:
    found = traffic.count(data)
    assert found is None or found >= 0
