# SPDX-License-Identifier: Apache-2.0
"""`agent NODE start | stop | kill | pid | log`: faults of an agent, tried by hand, and what is secured meanwhile."""

from __future__ import annotations

import subprocess
from subprocess import CompletedProcess

import pytest

from tests.lab.kit.chat import Chat
from tests.lab.kit.node import Node
from tests.lab.kit.ports import Ports
from tests.lab.kit.shape import secured_again
from tests.lab.kit.wire import Wire


def by_hand(*words: str) -> CompletedProcess[str]:
    """The lab's command."""
    return subprocess.run(["agent", *words], capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_an_agent_is_ended_and_started(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, end: str
) -> None:
    port, first = ports.require(), node_a.agent.pid
    chat = Chat(node_a, node_b, port, marker)
    assert by_hand("node-a", "pid").stdout == f"{first}\n"
    again = by_hand("node-a", "start")
    assert again.returncode == 1 and f"runs already, as process {first}" in again.stderr
    before = by_hand("node-a", "log").stdout
    assert by_hand("node-a", end).returncode == 0 and not node_a.agent.running
    gone = by_hand("node-a", "pid")
    assert (gone.returncode, gone.stdout) == (1, "") and "does not run" in gone.stderr
    assert by_hand("node-a", end).returncode == 0, "there is nothing to end"
    assert by_hand("node-a", "start").returncode == 0
    assert by_hand("node-a", "pid").stdout == f"{node_a.agent.pid}\n" != f"{first}\n"
    said = by_hand("node-a", "log").stdout
    assert said.startswith(before) and "Monitoring TCP connections" in said[len(before) :]
    assert [one["state"] for one in node_a.await_events("TakenOver", 1)] == ["open"], "what is on KTLS is reported"
    secured_again(node_a, node_b, wire, ports, marker)
    chat.end()
    wire.secured(marker, port, flows=1)


@pytest.mark.parametrize("words", [(), ("node-a",), ("node-a", "restart"), ("node-c", "start")])
def test_what_it_does_not_know_is_said(words: tuple[str, ...]) -> None:
    found = by_hand(*words)
    assert found.returncode == 2 and "agent" in found.stderr and not found.stdout
