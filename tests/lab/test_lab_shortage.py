# SPDX-License-Identifier: Apache-2.0
"""An agent that is short of something: of descriptors, of memory, of room on the disk under its sink."""

from __future__ import annotations

import resource
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.lab.kit.attempt import attempt
from tests.lab.kit.boxed_agent import BOX
from tests.lab.kit.chat import Chat
from tests.lab.kit.control import tell
from tests.lab.kit.crowd import dial_many, echo_many
from tests.lab.kit.node import Node
from tests.lab.kit.persistent import Trials, summed
from tests.lab.kit.ports import IPV4, Ports
from tests.lab.kit.shape import BURST, DEADLINE_S, FORKED, SLACK_S, ill, secured_again, short
from tests.lab.kit.stress import turns
from tests.lab.kit.talk import payload
from tests.lab.kit.trial import Record
from tests.lab.kit.wire import Wire

SMALL = Path("/run/tlshub-small")


@contextmanager
def out_of_descriptors(node: Node) -> Iterator[None]:
    """The agent may open nothing more: the limit is of their numbers, so it is the lowest that is free."""
    pid, free = node.agent.pid, 0
    while Path(f"/proc/{pid}/fd/{free}").is_symlink():
        free += 1
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (free, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


@short
@turns(10)
@pytest.mark.parametrize("which", ["node-a", "node-b"])
def test_out_of_descriptors(
    nodes: dict[str, Node], node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, which: str
) -> None:
    secured_again(node_a, node_b, wire, ports, marker)  # and so there is a session
    held, chat = [ports.require(), ports.require()], Chat(node_a, node_b, ports.require(), marker)
    with out_of_descriptors(nodes[which]):
        for port in held:
            good, seconds = attempt(node_a, node_b, IPV4, port, payload(marker))
            assert not good and seconds < DEADLINE_S + SLACK_S, seconds
    assert [event["reason"] for event in nodes[which].await_events("Refused", 2)] == ["owner-unknown"] * 2
    chat.end()
    wire.secret(marker, *held)
    secured_again(node_a, node_b, wire, ports, marker)


@turns(10)
@pytest.mark.agents(node_a={"program": str(Path(__file__).with_name("kit") / "boxed_agent.py")})
def test_out_of_memory(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, record_property: Record
) -> None:
    chat = Chat(node_a, node_b, ports.require(), marker)
    trials = Trials(node_a, node_b, ports, payload(marker, 4000))
    trials.go_well()
    most, used = BOX / "memory.max", int((BOX / "memory.current").read_text())
    most.write_text(str(used // 2))
    assert node_a.agent.ended() == -signal.SIGKILL
    most.write_text("max")
    node_a.agent.start(FORKED)
    node_a.agent.ready()
    trials.go_well()
    found = trials.end()
    chat.end()
    record_property("under load", summed(found))
    wire.secret(marker, *trials.ports)


@pytest.fixture
def small() -> Iterator[Path]:
    """A full disk in the end."""
    SMALL.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8k", "small", str(SMALL)], check=True)
    yield SMALL
    subprocess.run(["umount", "-l", str(SMALL)], check=True)


def lost_in_sinks(node: Node) -> int:
    """How many events, once some are; a sink works in its own time."""
    deadline = time.monotonic() + 30
    while not (lost := int(tell(node, "status")["totals"]["lost_in_sinks"])) and time.monotonic() < deadline:
        time.sleep(0.2)
    return lost


@ill
@turns(10)
def test_a_full_disk_under_a_sink(
    small: Path,
    node_a: Node,
    node_b: Node,
    wire: Wire,
    ports: Ports,
    marker: bytes,
    record_property: Record,
) -> None:
    node_a.agent.stop()
    node_a.agent.start({**FORKED, "plugin.jsonl.path": f'"{small}/events.jsonl"'})
    node_a.agent.ready()
    port, content = ports.require(), payload(marker, 2000)
    server = node_b.start(partial(echo_many, way=IPV4, port=port, size=len(content), count=BURST))
    assert server.heard() == "listening"
    client = node_a.start(partial(dial_many, way=IPV4, port=port, content=content, count=BURST))
    assert client.result(120) == (BURST, 0)
    lost = lost_in_sinks(node_a)
    assert lost > 0 and tell(node_a, "status")["totals"]["secured"] == BURST
    assert "No space left on device" in node_a.agent.log
    written = len((small / "events.jsonl").read_bytes().splitlines())
    (small / "events.jsonl").unlink()
    secured_again(node_a, node_b, wire, ports, marker)
    assert written > 0 and b"Secured" in (small / "events.jsonl").read_bytes()
    wire.secured(marker, port, flows=BURST)
    record_property("events", f"{written} written, {lost} or more lost and counted")
