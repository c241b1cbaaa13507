# SPDX-License-Identifier: Apache-2.0
"""The agent stops, starts again and reloads its rules, while connections go on."""

from __future__ import annotations

import signal
import time
from functools import partial

import pytest

from tests.lab.kit.attempt import try_to
from tests.lab.kit.chat import Chat, echo
from tests.lab.kit.hold import gate, stopped
from tests.lab.kit.node import Node
from tests.lab.kit.ports import IPV4, Ports
from tests.lab.kit.talk import converse, payload, receives_first, sends_first
from tests.lab.kit.wire import Wire

HANDSHAKE_S, LATE_S = 20.0, 10.0  # the lab's deadline, and how late a slow machine may be
LATER = 7105  # a port of which the lab's rules say nothing
RULE = f'[[rule]]\nname = "later"\nmatch = {{ ports = [{LATER}] }}\nmode = "require"\n'


@gate
def test_what_is_secured_goes_on_without_the_agents_and_what_is_held_is_refused(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    secured, held = ports.require(), ports.require()
    chat = Chat(node_a, node_b, secured, marker)
    server = node_b.start(partial(echo, way=IPV4, port=held))
    assert server.heard() == "listening"
    with stopped(node_b):
        client = node_a.start(partial(try_to, way=IPV4, port=held, content=payload(marker)))
        flow = node_a.await_events("Connecting", 2)[1]["flow"]
        node_a.await_event(lambda event: (event["event"], event["flow"]) == ("Held", flow))
        node_a.agent.stop()
        good, seconds = client.result()
    assert not good and seconds < HANDSHAKE_S + LATE_S, "the next agent could have had it until its deadline, no longer"
    node_b.agent.stop()
    time.sleep(1)
    chat.end()
    wire.silent(marker, held)
    wire.secured(marker, secured, flows=1)


def test_a_secured_connection_outlives_the_restart_of_its_agent(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    port = ports.require()
    chat = Chat(node_a, node_b, port, marker)
    node_a.agent.stop()
    node_a.agent.start()
    node_a.agent.ready()
    time.sleep(1)
    assert chat.end() is False, "the next agent lets a program read the keys"
    wire.secured(marker, port, flows=1)


def test_a_reload_is_for_new_connections_and_drops_no_old_one(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    secured = ports.require()
    in_clear, secret = Chat(node_a, node_b, LATER, marker), Chat(node_a, node_b, secured, marker)
    _reload(node_a, node_b, RULE, 1)
    in_clear.end()
    wire.clear(marker, LATER)
    wire.begin()
    converse(node_a, node_b, IPV4, LATER, sends_first, receives_first, payload(marker)).check()
    wire.secured(marker, LATER, flows=1)
    _reload(node_a, node_b, "", 2)
    converse(node_a, node_b, IPV4, LATER, sends_first, receives_first, payload(marker)).check()
    wire.clear(marker, LATER)
    secret.end()


@pytest.mark.parametrize("broken", ["[[rule]]\nmode = 1\n", "no toml"])
def test_a_broken_file_keeps_the_old_rules(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, broken: str
) -> None:
    port = ports.require()
    node_a.agent.configure({"rules": broken})
    node_a.agent.signal(signal.SIGHUP)
    (said,) = node_a.await_events("Reloaded", 1)
    node_a.agent.configure({})
    assert said["ok"] is False and len(node_a.agent.complaints()) == 1
    node_a.agent.begin()
    converse(node_a, node_b, IPV4, port, sends_first, receives_first, payload(marker)).check()
    wire.secured(marker, port, flows=1)


def _reload(node_a: Node, node_b: Node, rules: str, times: int) -> None:
    for node in (node_a, node_b):
        node.agent.configure({"rules": rules})
        node.agent.signal(signal.SIGHUP)
    for node in (node_a, node_b):
        assert all(event["ok"] for event in node.await_events("Reloaded", times))
