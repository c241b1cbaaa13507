# SPDX-License-Identifier: Apache-2.0
"""Connections whose keys come from TLSHub's module, or what stands in for it: captured end to end, in both versions."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.kit.attempt import attempt
from tests.lab.kit.node import Node
from tests.lab.kit.ports import DUAL, IPV4, IPV6, MAPPED, Ports
from tests.lab.kit.program import need, serving
from tests.lab.kit.talk import at_once, converse, payload, receives_first, sends_first
from tests.lab.kit.tlshub import Module, beside_openssl, with_tlshub
from tests.lab.kit.web import curl, nginx, site
from tests.lab.kit.wire import Wire

HUB = range(7121, 7130)


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
    for node in (node_a, node_b):
        wire.opened(marker, *secret, keys=node.keys)
        assert {event["provider"] for event in node.await_events("Secured", len(secret))} == {"tlshub"}
    near, far = module.asked("node-a"), module.asked("node-b")
    assert int(near[f"v{version} start client"]) == len(secret) <= int(far[f"v{version} fetch server"])
    for asked in (near, far):
        assert asked["malformed"] == "0" and asked["node"] == ("10.77.0.2" if version == 2 else "0.0.0.0")
        assert {value for name, value in asked.items() if name.startswith(f"v{3 - version}")} == {"0"}


@beside_openssl(HUB)
def test_two_providers_at_once_each_by_its_rule(
    module: Module, node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    content, other = payload(marker), [ports.require() for _ in range(3)]
    hub = list(HUB[: len(other)])
    both = [port for pair in zip(hub, other, strict=True) for port in pair]
    running = [converse(node_a, node_b, IPV4, port, sends_first, receives_first, content) for port in both]
    for talk in running:
        talk.check()
    wire.secured(marker, *both, flows=len(both))
    for node in (node_a, node_b):
        wire.opened(marker, *both, keys=node.keys)
        events = node.await_events("Secured", len(both))
        by_port = {int(str(event["server"]).rpartition(":")[2]): event["provider"] for event in events}
        assert by_port == {**dict.fromkeys(hub, "tlshub"), **dict.fromkeys(other, "openssl")}


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
    for node in (node_a, node_b):
        wire.opened(marker, port, keys=node.keys)


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
