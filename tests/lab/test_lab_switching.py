# SPDX-License-Identifier: Apache-2.0
"""The key provider of new connections is switched while connections come and go: none is lost, reset or in clear."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.lab.kit.chat import Chat
from tests.lab.kit.control import tell
from tests.lab.kit.node import Event, Node
from tests.lab.kit.ports import IPV4, Ports
from tests.lab.kit.steady import Steady
from tests.lab.kit.talk import converse, payload, receives_first, sends_first
from tests.lab.kit.wire import Wire

SWITCHES = 20
NAMES = ("boringssl", "openssl")
FRESH = {"keys.provider": '"openssl"'}  # agents that were never switched
ALLOWED = {"keys.providers_allowed": '["boringssl", "openssl"]'}
NAMED = 7106  # a port of which the lab's rules say nothing
RULE = f'[[rule]]\nname = "named"\nmatch = {{ ports = [{NAMED}] }}\nmode = "require"\nprovider = "boringssl"\n'

pytestmark = pytest.mark.agents(node_a=FRESH, node_b=FRESH)


@contextmanager
def reloaded(changes: dict[str, str], *nodes: Node) -> Iterator[None]:
    """The agents' configuration with these changes, for a while."""
    for wanted in (changes, {}):
        for node in nodes:
            node.agent.configure({**FRESH, **wanted})
            tell(node, "reload")
        if wanted:
            yield


def by_client(node: Node, count: int) -> dict[object, object]:
    """The provider of each secured connection, by its client's address and port."""
    secured: list[Event] = node.await_events("Secured", count)
    assert len(secured) == count and not node.events("Refused", "ReleasedClear")
    return {event["client"]: event["provider"] for event in secured}


def named(node_a: Node, node_b: Node, count: int) -> list[str]:
    """The provider of each connection, which is the same at both ends."""
    one, other = by_client(node_a, count), by_client(node_b, count)
    assert one == other
    return sorted(str(name) for name in one.values())


def switch(node: Node, name: str) -> None:
    """As an operator does."""
    tell(node, "provider", name)
    assert [one["name"] for one in tell(node, "provider")["providers"] if one["default"]] == [name]


def test_twenty_switches_under_load(node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes) -> None:
    """The first one starts a provider on each node, and lets peers ask for it there."""
    secret, preferred, talking = ports.require(), ports.prefer(), ports.require()
    chat = Chat(node_a, node_b, talking, marker)
    load = Steady(node_a, node_b, IPV4, payload(marker, 3000), secret, preferred)
    for number in range(SWITCHES):
        switch((node_b, node_a)[number % 2], NAMES[number // 2 % 2])
    count = load.end()
    chat.end()
    assert set(named(node_a, node_b, count + 1)) == set(NAMES)
    wire.secured(marker, secret, preferred, talking, flows=count + 1)
    for node in (node_a, node_b):
        assert [event["ok"] for event in node.await_events("Reloaded", SWITCHES // 2)] == [True] * (SWITCHES // 2)


def test_one_that_is_not_installed_changes_nothing(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    port, before = ports.require(), tell(node_a, "provider")
    tell(node_a, "provider", "beryl", status=1)
    assert tell(node_a, "provider") == before
    converse(node_a, node_b, IPV4, port, sends_first, receives_first, payload(marker)).check()
    wire.secured(marker, port, flows=1)
    assert [event["ok"] for event in node_a.await_events("Reloaded", 1)] == [False]
    assert len(node_a.agent.complaints()) == 1
    node_a.agent.begin()


def test_the_other_node_follows(node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes) -> None:
    secret, preferred = ports.require(), ports.prefer()
    with reloaded(ALLOWED, node_b):
        load = Steady(node_a, node_b, IPV4, payload(marker, 3000), secret, preferred)
        for name in NAMES * 2:
            switch(node_a, name)
        count = load.end()
        defaults = [one["name"] for one in tell(node_b, "provider")["providers"] if one["default"]]
    assert set(named(node_a, node_b, count)) == set(NAMES)
    assert defaults == ["openssl"]
    wire.secured(marker, secret, preferred, flows=count)


def test_a_rule_names_its_own(node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes) -> None:
    port = ports.require()
    with reloaded({"rules": RULE}, node_a, node_b):
        for number in (port, NAMED):
            converse(node_a, node_b, IPV4, number, sends_first, receives_first, payload(marker)).check()
        assert named(node_a, node_b, 2) == sorted(NAMES)
        wire.secured(marker, port, NAMED, flows=2)
