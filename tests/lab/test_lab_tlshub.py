# SPDX-License-Identifier: Apache-2.0
"""Connections whose keys come from TLSHub's module, or what stands in for it: captured end to end, in both versions."""

from __future__ import annotations

import os
import socket
import struct
from functools import partial
from pathlib import Path

import pytest

from tests.lab.kit.attempt import attempt
from tests.lab.kit.job import Say
from tests.lab.kit.node import Node
from tests.lab.kit.ports import DUAL, IPV4, IPV6, MAPPED, Ports, Way
from tests.lab.kit.program import need, serving
from tests.lab.kit.talk import Talk, at_once, converse, payload, receives_first, sends_first
from tests.lab.kit.tlshub import Module, with_tlshub
from tests.lab.kit.web import curl, nginx, site
from tests.lab.kit.wire import Wire

KEYS = Path(os.environ.get("LAB_NODES", "/run"))
ABRUPT = struct.pack("=ii", 1, 0)


def opened_by_both_logs(wire: Wire, marker: bytes, *ports: int) -> None:
    """Each node's own key log opens all records: their keys are the same, and no other connection's."""
    for node in ("node-a", "node-b"):
        verdict, keyring = wire.judge(marker, *ports, keys=KEYS / node / "keys.jsonl")
        assert keyring is not None and keyring.failed == keyring.foreign == 0, (node, verdict)
        assert keyring.opened == sum(sum(found.records) for found in verdict.findings) > 0


@pytest.mark.parametrize(
    "version", [pytest.param(1, marks=with_tlshub()), pytest.param(2, marks=with_tlshub(protocol_version="2"))]
)
def test_connections_are_secured(
    module: Module, node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, version: int
) -> None:
    for node in ("node-a", "node-b"):
        module.script(node, "reset")
    content, control = payload(marker), ports.bypass()
    talks = (
        (IPV4, sends_first, receives_first),
        (DUAL, receives_first, sends_first),
        (MAPPED, at_once, at_once),
    )
    secret = [ports.require() for _ in talks] + [ports.prefer()]
    running = [
        converse(node_a, node_b, way, port, client, server, content)
        for (way, client, server), port in zip((*talks, talks[0]), secret, strict=True)
    ]
    running.append(converse(node_a, node_b, IPV4, control, sends_first, receives_first, content))
    for talk in running:
        talk.check()
    wire.secured(marker, *secret, flows=len(secret))
    wire.clear(marker, control)
    opened_by_both_logs(wire, marker, *secret)
    for node in (node_a, node_b):
        assert {event["provider"] for event in node.await_events("Secured", len(secret))} == {"tlshub"}
    near, far = module.asked("node-a"), module.asked("node-b")
    assert int(near[f"v{version} start client"]) == len(secret) <= int(far[f"v{version} fetch server"])
    for asked in (near, far):
        assert asked["malformed"] == "0" and asked["node"] == ("10.77.0.2" if version == 2 else "0.0.0.0")
        assert {value for name, value in asked.items() if name.startswith(f"v{3 - version}")} == {"0"}


@with_tlshub()
def test_nginx_and_curl(
    module: Module, node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, tmp_path: Path
) -> None:
    need("nginx", "nginx-light")
    need("curl", "curl")
    port, content = ports.require(), payload(marker, 300_000)
    folder = site(tmp_path / "b", content)
    with serving(node_b, nginx(folder, f"{port}"), port, log=tmp_path / "b.log"):
        for _ in range(3):
            assert curl(node_a, f"http://{node_b.ipv4}:{port}/file") == content
    wire.secured(marker, port, flows=3)
    opened_by_both_logs(wire, marker, port)


def dial_from(_say: Say, way: Way, port: int, talk: Talk, content: bytes, source: int) -> bytes:
    """From that port, and ended so that it is free again at once."""
    with socket.socket(way.family) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("", source))
        sock.connect((way.host, port))
        got = talk(sock, content)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABRUPT)
        return got


def from_one_port(node_a: Node, node_b: Node, port: int, content: bytes) -> None:
    """One more connection of the tuple that the others on this port had."""
    dialler = partial(dial_from, source=port + 20_000)
    converse(node_a, node_b, IPV4, port, sends_first, receives_first, content, dialler=dialler).check()


@with_tlshub()
def test_a_tuple_that_is_used_again_gets_other_keys(
    module: Module, node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    content, port, count = payload(marker), ports.require(), 3
    module.script("node-a", "reset")
    for number in range(1, count + 1):
        from_one_port(node_a, node_b, port, content)
        for node in (node_a, node_b):
            node.await_closed(number)
    wire.secured(marker, port, flows=count)
    opened_by_both_logs(wire, marker, port)
    assert module.asked("node-a")["v1 start client"] == str(count)


@with_tlshub()
@pytest.mark.parametrize("restarted", ["node-a", "node-b"])
def test_an_agent_that_is_new_trusts_no_key_from_before(
    module: Module, nodes: dict[str, Node], node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes,
    restarted: str,
) -> None:  # fmt: skip
    content, port, agent = payload(marker), ports.require(), nodes[restarted].agent
    from_one_port(node_a, node_b, port, content)
    for node in (node_a, node_b):
        node.await_closed(1)
    module.script("node-a", "reset")
    module.script("node-b", "reset")
    agent.stop()
    agent.start(agent.changes)
    agent.ready()
    from_one_port(node_a, node_b, port, content)
    wire.secured(marker, port, flows=2)
    opened_by_both_logs(wire, marker, port)
    assert module.asked(restarted)["v1 init server"] == "1"
    assert module.asked("node-a")["v1 start client"] == "1"


@with_tlshub()
def test_ipv6_is_refused_and_said(
    module: Module, node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    require, prefer, content = ports.require(), ports.prefer(), payload(marker)
    good, seconds = attempt(node_a, node_b, IPV6, require, content)
    assert not good and seconds < 4
    (refused,) = node_a.await_events("Refused", 1)
    assert refused["reason"] == "unsupported" and "'tlshub'" in str(refused["detail"])
    wire.silent(marker, require)
    assert attempt(node_a, node_b, IPV6, prefer, content)[0]
    wire.clear(marker, prefer)
    for node in (node_a, node_b):
        assert node.await_events("ReleasedClear", 1)[0]["reason"] == "unsupported"
