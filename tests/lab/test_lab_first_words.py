# SPDX-License-Identifier: Apache-2.0
"""What counts as the TLS of an application under a rule with 'passthrough', whatever call it is sent with."""

from __future__ import annotations

import os
import socket
from functools import partial

import pytest

from tests.lab.kit.job import Say
from tests.lab.kit.node import Node
from tests.lab.kit.ports import IPV4
from tests.lab.kit.talk import Talk, converse, payload, receives_first, sends_first, serve, take
from tests.lab.kit.wire import Wire
from tests.lab.test_lab_files import file_then_splice
from tests.lab.test_lab_passthrough import OWN_TLS

HELLO = bytes((22, 3, 1, 0, 200, 1))
pytestmark = pytest.mark.agents(node_a=OWN_TLS, node_b=OWN_TLS)


def written(sock: socket.socket, content: bytes) -> bytes:
    assert os.write(sock.fileno(), content) == len(content)
    return take(sock, len(content))


def written_in(first: int) -> Talk:
    def talk(sock: socket.socket, content: bytes) -> bytes:
        assert os.writev(sock.fileno(), [content[:first], content[first:]]) == len(content)
        return take(sock, len(content))

    return talk


def sent_in(first: int) -> Talk:
    def talk(sock: socket.socket, content: bytes) -> bytes:
        assert sock.sendmsg([content[:first], content[first:]]) == len(content)
        return take(sock, len(content))

    return talk


def test_what_counts_as_tls_is_seen_in_every_call(node_a: Node, node_b: Node, wire: Wire, marker: bytes) -> None:
    text = payload(marker, 2000)
    left = [(talk, HELLO + text) for talk in (sends_first, written, written_in(6), sent_in(6))]
    wrong = [HELLO[:at] + bytes((byte,)) + HELLO[at + 1 :] for at, byte in ((0, 23), (1, 2), (2, 5), (3, 0x41), (5, 2))]
    held = [(sends_first, one + text) for one in wrong]
    held += [(talk, HELLO + text) for talk in (written_in(5), sent_in(5), file_then_splice)]
    ports = [7140 + number for number in range(len(left) + len(held))]
    talks = [
        converse(node_a, node_b, IPV4, port, talk, receives_first, content)
        for port, (talk, content) in zip(ports, left + held, strict=True)
    ]
    for talk in talks:
        talk.check()
    wire.clear(marker, *ports[: len(left)])
    wire.secured(marker, *ports[len(left) :], flows=len(held))
    for node in (node_a, node_b):
        assert len(node.await_events("ReleasedClear", len(left))) == len(left)


def test_a_server_that_answers_in_plain_is_cut_off(node_a: Node, node_b: Node, wire: Wire, marker: bytes) -> None:
    port = 7129

    hello = HELLO + bytes(200)

    def greets(_say: Say) -> bytes:
        with socket.create_connection((node_b.ipv4, port)) as sock:
            sock.sendall(hello)
            try:
                return sock.recv(1000)
            except ConnectionError:
                return b""

    def answers(sock: socket.socket, content: bytes) -> bytes:
        heard = take(sock, len(hello))
        sock.sendall(content)
        return heard

    server = node_b.start(partial(serve, way=IPV4, port=port, talk=answers, content=payload(marker)))
    assert server.heard() == "listening"
    assert node_a.start(greets).result() == b""
    assert [event["reason"] for event in node_b.await_events("Refused", 1)] == ["not-tls"]
    ((sent, received),) = wire.streams(port)
    assert (sent[:6], received) == (HELLO, b"")
