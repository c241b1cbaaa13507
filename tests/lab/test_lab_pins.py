# SPDX-License-Identifier: Apache-2.0
"""What holds connections outlives the agent, however it ends; the next one takes it over; 'detach' ends it."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest

from tests.lab.kit.attempt import serve_whom_it_may, try_to
from tests.lab.kit.chat import Chat
from tests.lab.kit.hold import stopped
from tests.lab.kit.node import Node
from tests.lab.kit.pins import detach, folder, loaded, until
from tests.lab.kit.ports import IPV4, Ports
from tests.lab.kit.stress import times
from tests.lab.kit.talk import converse, payload, receives_first, sends_first
from tests.lab.kit.wire import Wire
from tests.lab.test_lab_local import OWN


def again(node: Node, changes: dict[str, str] | None = None) -> None:
    node.agent.start(changes)
    node.agent.ready()


def test_killed_upgraded_stopped_and_back(node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes) -> None:
    """One connection goes on all the time, and others begin: while no agent lives, under the later, the first again."""
    going, nobody, content = ports.require(), ports.require(), payload(marker)
    later = os.environ.get("LAB_LATER") or pytest.skip("another release of the programs could not be compiled")
    new = [ports.require(), ports.require()]
    chat = Chat(node_a, node_b, going, marker)
    node_a.agent.kill()
    before = loaded("prog")["gate_send"]
    serving = partial(serve_whom_it_may, way=IPV4, port=nobody, talk=receives_first, content=content)
    assert node_b.start(serving).heard() == "listening"
    waiting = node_a.start(partial(try_to, way=IPV4, port=nobody, content=content))
    again(node_a, {"capture.backend": '"libbpf"', "plugin.libbpf.object": f'"{later}"'})
    assert (folder(node_a) / "maps/novel").exists(), "the later release is not at work"
    converse(node_a, node_b, IPV4, new[0], sends_first, receives_first, content).check()
    node_a.agent.stop()
    again(node_a)
    converse(node_a, node_b, IPV4, new[1], sends_first, receives_first, content).check()
    until(lambda: loaded("prog")["gate_send"] == before, "programs that were replaced are there still")
    waiting.result(120)
    assert chat.end() is False, "a program can read the keys"
    wire.secured(marker, going, *new)
    wire.secret(marker, nobody)


def begun(node: Node, count: int) -> None:
    """Start its agent, and kill it when that many of its programs are pinned anew."""
    links = folder(node) / "links"
    old = {path.name: path.stat().st_ino for path in links.glob("*")}

    def enough() -> bool:
        fresh = [name for name in os.listdir(links) if Path(links, name).stat().st_ino != old.get(name)]
        return len(fresh) >= count

    node.agent.start()
    until(lambda: links.exists() and enough(), "it does not start")
    node.agent.kill()


def test_killed_in_the_middle_of_its_start(node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes) -> None:
    secured, content = [], payload(marker)
    for turn in range(times(1, 5)):
        if node_a.agent.running:
            node_a.agent.kill()
        detach(node_a)
        for _ in ("fresh", "over pins"):
            begun(node_a, 1 + turn * 2)
            again(node_a)
            secured.append(ports.require())
            converse(node_a, node_b, IPV4, secured[-1], sends_first, receives_first, content).check()
            node_a.agent.kill()
    again(node_a)
    wire.secured(marker, *secured)


def test_detach_refuses_what_is_held_and_leaves_the_machine_as_it_was(
    node_a: Node, node_b: Node, wire: Wire, loopback: Wire, ports: Ports, marker: bytes
) -> None:
    going, held, plain = ports.require(), ports.require(), ports.require()
    chat, content = Chat(node_a, node_b, going, marker), payload(marker)
    loopback.begin()
    both = loaded("prog")
    with stopped(node_b):
        client = node_a.start(partial(try_to, way=IPV4, port=held, content=content))
        node_a.await_events("Connecting", 2)
        node_a.agent.kill()
        found = detach(node_a)
        assert not client.result()[0]
    assert (found["refused"], found["released"], found["secured"]) == (1, 0, 1), found
    names = {name for name, count in both.items() if count == 2}
    assert {"gate_send", "wall", "on_sockops"} < names, both
    until(lambda: all(loaded("prog")[name] == 1 for name in names), "programs of the agent are there still")
    until(lambda: all(loaded("map")[name] == 1 for name in ("flows", "settings", "warm")), "maps are there still")
    assert not folder(node_a).exists()
    converse(node_a, node_a, OWN, plain, sends_first, receives_first, content).check()
    loopback.clear(marker, plain)
    assert chat.end() is True, "the keys are the kernel's to guard, and nobody's now"
    wire.secured(marker, going, flows=1)
    wire.silent(marker, held)
