# SPDX-License-Identifier: Apache-2.0
"""Agents killed with SIGKILL under load, at chosen stages of a connection's way, and started again.

What is secured goes on bit for bit; what is held is secured by the next agent or refused by its deadline; nothing is in
clear; and what was secured before, meanwhile and after leaves nothing behind.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

import pytest

from tests.lab.kit.attempt import serve_whom_it_may, try_to
from tests.lab.kit.chat import Chat
from tests.lab.kit.node import Node
from tests.lab.kit.persistent import KINDS, Trials, summed
from tests.lab.kit.ports import IPV4, Ports
from tests.lab.kit.slow import planned
from tests.lab.kit.stress import times
from tests.lab.kit.table import await_empty, await_state, states
from tests.lab.kit.talk import Talk, converse, payload, receives_first, sends_first
from tests.lab.kit.wire import Wire
from tlshub_core.types.capture import State

DEADLINE_S, GATE_S, SLACK_S = 12.0, 6.0, 30.0
ASLEEP_S = 60.0  # the agent does not wake before it is killed
SMALL = 4000
BOTH = ("node-a", "node-b")
# Where the agent sleeps while it is killed, and what state the connection is in then.
STEPS = {"held": ("descriptor", State.ARMED), "installing": ("rx", State.INSTALLING)}
SIDES = {("node-a",): "client", ("node-b",): "server", BOTH: "both"}
STAGES = ("connecting", *STEPS, "secured")
EVERY = [(stage, which) for stage in STAGES for which in SIDES]
SAMPLE = [("connecting", ("node-a",)), ("held", ("node-b",)), ("installing", ("node-a",)), ("secured", BOTH)]

_AGENT = {
    "forked": "yes",
    "delayed": "yes",
    "capture.handshake_deadline_ms": str(int(DEADLINE_S * 1000)),
    "capture.gate_deadline_ms": str(int(GATE_S * 1000)),
}
pytestmark = pytest.mark.agents(node_a=_AGENT, node_b=_AGENT)


class Kills:
    """Kills these agents, each time with one connection at that stage of its way, and starts them again."""

    def __init__(self, stage: str, killed: Sequence[Node], node_a: Node, node_b: Node, content: bytes) -> None:
        self._stage, self._killed, self._node_a, self._node_b = stage, killed, node_a, node_b
        self._content = content
        self.states, self.ends, self.rounds = Counter[str](), Counter[str](), 0

    def one(self, port: int, client: Talk, server: Talk) -> None:
        """The connection of this one is to that port."""
        serving = partial(serve_whom_it_may, way=IPV4, port=port, talk=server, content=self._content)
        answers = self._node_b.start(serving)
        assert answers.heard() == "listening"
        self._prepare(port)
        calls = self._node_a.start(partial(try_to, way=IPV4, port=port, content=self._content, talk=client))
        self._arrived(port)
        self._kill()
        self.rounds += 1
        self._judge(*calls.result())
        answers.kill()

    def _prepare(self, port: int) -> None:
        if self._stage == "connecting":
            self._node_b.agent.signal(signal.SIGSTOP)
        if self._stage in STEPS:
            side = SIDES[tuple(node.name for node in self._killed)]
            planned({port: [(STEPS[self._stage][0], side, ASLEEP_S)]})

    def _arrived(self, port: int) -> None:
        if self._stage == "connecting":
            await_state(self._node_a, port, State.ASKED)
        for node in self._killed:
            if self._stage in STEPS:
                await_state(node, port, STEPS[self._stage][1])

    def _kill(self) -> None:
        for node in self._killed:
            self.states += states(node)
            node.agent.kill()
        if self._stage == "connecting" and self._node_b not in self._killed:
            self._node_b.agent.signal(signal.SIGCONT)
        planned({})
        for node in self._killed:
            node.agent.start(node.agent.changes)
        for node in self._killed:
            node.agent.ready()

    def _judge(self, good: bool, seconds: float) -> None:
        assert good or seconds < DEADLINE_S + SLACK_S, f"refused after {seconds} s"
        self.ends["secured" if good else "refused"] += 1


def still_open(node: Node, ports: Sequence[int]) -> Counter[int]:
    """How often an agent that came reported a connection with each of these ports as one that is on KTLS already."""
    taken = [event for event in node.events("TakenOver") if event["state"] == "open"]
    found = Counter(int(str(event["server"]).rpartition(":")[2]) for event in taken)
    return Counter({port: found[port] for port in ports})


FOUND = EVERY if times(0, 1) else SAMPLE


@pytest.mark.parametrize(("stage", "which"), FOUND, ids=[f"{stage}-{'+'.join(which)}" for stage, which in FOUND])
def test_killed(
    nodes: dict[str, Node],
    node_a: Node,
    node_b: Node,
    wire: Wire,
    ports: Ports,
    marker: bytes,
    record_property: Callable[[str, object], None],
    stage: str,
    which: tuple[str, ...],
) -> None:
    content, secured, held = payload(marker, SMALL), [ports.require() for _ in range(2)], list[int]()
    converse(node_a, node_b, IPV4, ports.require(), sends_first, receives_first, content).check()
    before = [node.agent.descriptors() for node in (node_a, node_b)]
    chats = [Chat(node_a, node_b, port, marker) for port in secured]
    trials = Trials(node_a, node_b, ports, content)
    trials.go_well()
    kills = Kills(stage, [nodes[name] for name in which], node_a, node_b, content)
    for number in range(times(1, 10)):
        held.append(ports.require())
        kills.one(held[-1], *KINDS[number % len(KINDS)])
        trials.go_well()
    found = trials.end()
    for chat in chats:
        chat.end()
    for name in which:
        assert still_open(nodes[name], secured) == Counter(secured * kills.rounds)
    wire.secret(marker, *trials.ports, *held)
    wire.secured(marker, *secured, flows=len(secured))
    for node, descriptors in zip((node_a, node_b), before, strict=True):
        await_empty(node)
        node.agent.await_descriptors(descriptors)
    record_property("times", kills.rounds * len(which))
    record_property("states at the kill", dict(kills.states))
    record_property("held ones", dict(kills.ends))
    record_property("under load", summed(found))
    assert max(one.longest_s for one in found) < DEADLINE_S + SLACK_S, found
