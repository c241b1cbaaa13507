# SPDX-License-Identifier: Apache-2.0
"""How much a key may protect: one agent says so, the other one ends the connection; short records count as such."""

from __future__ import annotations

import socket
import time
from functools import partial

import pytest

from tests.lab.kit.chat import Chat, Flag
from tests.lab.kit.job import Say
from tests.lab.kit.node import Node
from tests.lab.kit.pins import detach
from tests.lab.kit.ports import IPV4, Ports, Way
from tests.lab.kit.talk import accept, listener, payload, take
from tests.lab.kit.wire import Wire

SAID, ENDED, FIRST = 10, 40, 8  # full records at each agent, and the rounds of two records that come before the pause
RECORDS = 2 * 16384
CLOSES = {"keys.limit": '"close"', "keys.limit_records": str(ENDED)}
pytestmark = pytest.mark.agents(node_a={"keys.limit_records": str(SAID)}, node_b=CLOSES)


def echo_to_the_end(say: Say, way: Way, port: int) -> bool:
    """Echo until the client ends, or the connection is reset; whether it was."""
    with listener(way, port) as door:
        say("listening")
        with accept(door) as sock:
            try:
                while chunk := sock.recv(65536):
                    sock.sendall(chunk)
            except ConnectionError:
                return True
    return False


def rounds_to_the_end(say: Say, way: Way, port: int, content: bytes, *, on: Flag) -> int:
    """Send and compare the echo, until the connection is reset, with a pause before; how many were right."""
    count = 0
    with socket.socket(way.family) as sock:
        sock.connect((way.host, port))
        try:
            while True:
                sock.sendall(content)
                got = take(sock, len(content))
                assert content.startswith(got), f"round {count}: other bytes"
                if len(got) < len(content):
                    return -1  # an end that is no reset
                count += 1
                if count == FIRST:
                    say("paused")
                while count == FIRST and not on.is_set():
                    time.sleep(0.1)
        except ConnectionError:
            return count


def test_a_worn_key_is_said_and_then_its_connection_ends(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    port, other, content, on = ports.require(), ports.require(), payload(marker, RECORDS)[:RECORDS], Flag()
    chat = Chat(node_a, node_b, other, marker)  # many short records, which are worth little
    server = node_b.start(partial(echo_to_the_end, way=IPV4, port=port))
    assert server.heard() == "listening"
    client = node_a.start(partial(rounds_to_the_end, way=IPV4, port=port, content=content, on=on))
    assert client.heard() == "paused"
    said = node_a.await_events("KeyLimit", 2)
    assert {event["sent"] for event in said} == {True, False} and not any(event["closed"] for event in said), said
    assert all(event["records"] >= SAID and event["bytes"] >= (SAID - 1) * 16384 for event in said), said
    assert not node_b.events("KeyLimit", "Refused")
    on.set()
    assert client.result() * 2 >= ENDED and server.result() is True
    ended = node_b.await_events("KeyLimit", 1)
    assert [event["closed"] for event in ended] == [True] and not node_a.events("Refused", "ReleasedClear"), ended
    assert len(node_a.events("KeyLimit")) == 2, "said once for each direction"
    chat.end()
    wire.secured(marker, port, other, flows=2)


def test_a_key_wears_out_of_which_a_detach_left_the_socket_only(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    port, content, on = ports.require(), payload(marker, RECORDS)[:RECORDS], Flag()
    server = node_b.start(partial(echo_to_the_end, way=IPV4, port=port))
    assert server.heard() == "listening"
    client = node_a.start(partial(rounds_to_the_end, way=IPV4, port=port, content=content, on=on))
    assert client.heard() == "paused"
    node_b.agent.stop()
    assert detach(node_b)["secured"] == 1
    node_b.agent.start(CLOSES)
    node_b.agent.ready()
    on.set()
    assert client.result() * 2 >= ENDED and server.result() is True
    ended = node_b.await_events("KeyLimit", 1)
    assert [(event["flow"], event["closed"]) for event in ended] == [(None, True)], ended
    assert "secured before the last 'detach', has a worn key: it is closed" in node_b.agent.log
    wire.secured(marker, port, flows=1)
