# SPDX-License-Identifier: Apache-2.0
"""An agent that is ill: stopped for long under load, its machine's clock set, or busy for long."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from tests.lab.kit.chat import Chat
from tests.lab.kit.crowd import dial_many, echo_many
from tests.lab.kit.hold import stopped
from tests.lab.kit.node import Node
from tests.lab.kit.persistent import Trials, summed
from tests.lab.kit.ports import IPV4, Ports
from tests.lab.kit.shape import BURST, FORKED, SLACK_S, ill, secured_again, short
from tests.lab.kit.stress import times, turns
from tests.lab.kit.table import states
from tests.lab.kit.talk import payload
from tests.lab.kit.trial import Record
from tests.lab.kit.wire import Wire

STOPPED_S = times(6, 10)
BUSY_US = 1  # the clock's next tick but one, if the agent runs until then
HOUR_S = 3600


@short
@turns(10)
@pytest.mark.parametrize("which", ["node-a", "node-b"])
def test_stopped_for_long_under_load(
    nodes: dict[str, Node],
    node_a: Node,
    node_b: Node,
    wire: Wire,
    ports: Ports,
    marker: bytes,
    which: str,
    record_property: Record,
) -> None:
    chat = Chat(node_a, node_b, ports.require(), marker)
    trials = Trials(node_a, node_b, ports, payload(marker, 4000))
    trials.go_well()
    with stopped(nodes[which]):
        time.sleep(STOPPED_S)
        record_property("states while stopped", dict(states(nodes["node-a" if which == "node-b" else "node-b"])))
    trials.go_well()
    found = trials.end()
    chat.end()
    assert all(one.good > 0 and one.longest_s <= STOPPED_S + SLACK_S for one in found), found
    wire.secret(marker, *trials.ports)
    record_property("under load", summed(found))
    record_property("longest (s)", max(one.longest_s for one in found))


@contextmanager
def clock_set(seconds: float) -> Iterator[None]:
    """CLOCK_REALTIME is so many seconds off."""
    before = time.monotonic()
    real = time.clock_gettime(time.CLOCK_REALTIME)
    time.clock_settime(time.CLOCK_REALTIME, real + seconds)
    try:
        yield
    finally:
        time.clock_settime(time.CLOCK_REALTIME, real + time.monotonic() - before)


@ill
@turns(10)
@pytest.mark.skipif(bool(os.environ.get("LAB_NATIVE")), reason="sets the clock: run it in a virtual machine")
def test_a_clock_that_is_set(node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes) -> None:
    chat = Chat(node_a, node_b, ports.require(), marker)
    with clock_set(30 * 24 * HOUR_S):
        secured_again(node_a, node_b, wire, ports, marker)
        node_b.agent.stop()
        node_b.agent.start(FORKED)
        node_b.agent.ready()
        secured_again(node_a, node_b, wire, ports, marker)
    with clock_set(-0.9 * HOUR_S):
        secured_again(node_a, node_b, wire, ports, marker)
    chat.end()


@ill
@turns(10)
def test_an_agent_that_is_busy_for_long_makes_a_pause(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    port, content, pid = ports.require(), payload(marker, 2000), node_a.agent.pid
    resource.prlimit(pid, resource.RLIMIT_RTTIME, (BUSY_US, resource.RLIM_INFINITY))
    before, chat = len(node_a.agent.log), Chat(node_a, node_b, ports.require(), marker)
    server = node_b.start(partial(echo_many, way=IPV4, port=port, size=len(content), count=BURST))
    assert server.heard() == "listening"
    client = node_a.start(partial(dial_many, way=IPV4, port=port, content=content, count=BURST))
    assert client.result(120) == (BURST, 0)
    assert "without a pause, and made one" in node_a.agent.log[before:]
    assert node_a.agent.running and os.sched_getscheduler(pid) == os.SCHED_RR | os.SCHED_RESET_ON_FORK
    assert resource.prlimit(pid, resource.RLIMIT_RTTIME)[0] > BUSY_US
    chat.end()
    wire.secured(marker, port, flows=BURST)
