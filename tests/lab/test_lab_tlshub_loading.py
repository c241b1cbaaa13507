# SPDX-License-Identifier: Apache-2.0
"""The stand-in for TLSHub's module comes and goes: what it does itself, and what an agent says that misses it."""

from __future__ import annotations

import errno
import subprocess

import pytest

from tests.lab.kit.asker import INIT, NOT_DONE, START, Asker, Tuple
from tests.lab.kit.node import Node
from tests.lab.kit.ports import IPV4, Ports
from tests.lab.kit.talk import converse, payload, receives_first, sends_first
from tests.lab.kit.tlshub import Module, with_tlshub
from tests.lab.kit.wire import Wire

REMEDY = "modprobe tlshub"

FLOW = Tuple(client_port=19999)


def test_a_namespace_that_ends_takes_its_answers_along(module: Module) -> None:
    subprocess.run(["ip", "netns", "add", "node-c"], check=True)
    module.script("node-c", "slow 600000")
    asker = Asker("node-c")
    asker.send(asker.request(1, INIT, FLOW, server=True))
    assert asker.reply(0.2) == b""
    subprocess.run(["ip", "netns", "del", "node-c"], check=True)
    asker.close()


def test_gone_is_gone_until_it_is_back(module: Module) -> None:
    a, b = Asker("node-a"), Asker("node-b")
    a.ask(1, START, FLOW)
    with pytest.raises(subprocess.CalledProcessError):
        module.unload()
    module.script("node-b", "gone")
    with pytest.raises(ConnectionRefusedError):
        b.fetch(1, FLOW, server=True)
    assert a.fetch(1, FLOW)[0] == 0
    module.script("node-b", "back")
    assert b.fetch(1, FLOW, server=True) == a.fetch(1, FLOW)
    a.close()
    b.close()


def test_unloaded_nobody_can_ask_and_loaded_again_it_knows_nothing(module: Module) -> None:
    asker = Asker("node-a")
    asker.ask(1, START, FLOW)
    asker.close()
    module.unload()
    with pytest.raises(OSError) as error:
        Asker("node-a")
    assert error.value.errno == errno.EPROTONOSUPPORT
    module.load(protocol=30)
    asker = Asker("node-a", protocol=30)
    assert asker.fetch(1, FLOW)[0] == NOT_DONE
    asker.close()
    module.unload()
    module.load()


def tool(node: Node, command: str) -> subprocess.CompletedProcess[str]:
    """What a command of the tool says of a node's configuration."""
    words = ["on", node.name, "tlshub-capture", command, str(node.agent.configuration)]
    return subprocess.run(words, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=100)


@with_tlshub()
def test_without_the_module_no_agent_starts_and_says_what_to_do(module: Module, node_a: Node, node_b: Node) -> None:
    for node in (node_a, node_b):
        node.agent.stop()
    module.unload()
    try:
        run, doctor = tool(node_a, "run"), tool(node_a, "doctor")
    finally:
        module.load()
    assert run.returncode == 1 and "Traceback" not in run.stdout, run.stdout
    for said in (run.stdout, doctor.stdout):
        assert REMEDY in said and "netlink protocol 31" in said, said
    assert doctor.returncode == 1


@with_tlshub()
def test_the_kernel_keeps_a_module_while_an_agent_runs_and_a_new_one_serves_agents_that_are_new(
    module: Module, node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    """A module that was replaced behind an agent's back would not know that it is to serve this node."""
    port = ports.require()
    for node in (node_a, node_b):
        node.agent.stop()
    module.unload()
    module.load()
    for node in (node_a, node_b):
        node.agent.start(node.agent.changes)
    for node in (node_a, node_b):
        node.agent.ready()
    with pytest.raises(subprocess.CalledProcessError):
        module.unload()
    converse(node_a, node_b, IPV4, port, sends_first, receives_first, payload(marker)).check()
    wire.secured(marker, port, flows=1)
    assert module.asked("node-a")["v1 init server"] == module.asked("node-b")["v1 init server"] == "1"
