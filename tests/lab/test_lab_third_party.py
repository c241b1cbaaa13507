# SPDX-License-Identifier: Apache-2.0
"""A provider from outside, in agents that were installed from wheels: what it secures, and what it must not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.lab.kit.job import Failed
from tests.lab.kit.node import Node
from tests.lab.kit.ports import IPV4, IPV6, Ports
from tests.lab.kit.talk import converse, payload, receives_first, sends_first
from tests.lab.kit.wire import Wire

HERE = Path(__file__).parents[2] / "build/third-party/bin"
FOLDER = Path(os.environ.get("LAB_NODES", "/run/tlshub-lab"))
pytestmark = pytest.mark.skipif(
    not (HERE / "tlshub-capture").exists(),
    reason="no outside plugin: run 'tests/third_party/install'",
)


def agent(secret: str) -> dict[str, str]:
    """Changes that make an agent one with the provider 'psk' and that secret."""
    path = FOLDER / f"psk-{secret}"
    if FOLDER.exists() and not path.exists():
        path.touch(mode=0o600)
        path.write_text(secret * 32)
    return {
        "python": str(HERE / "python"),
        "program": str(HERE / "tlshub-capture"),
        "keys.provider": '"psk"',
        "plugin.psk.secret_file": f'"{path}"',
    }


@pytest.mark.agents(node_a=agent("5c"), node_b=agent("5c"))
def test_what_it_agrees_on_is_secured(node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes) -> None:
    secret, control = [ports.require(), ports.require(), ports.prefer()], ports.bypass()
    content = payload(marker)
    talks = [
        converse(node_a, node_b, IPV4, secret[0], sends_first, receives_first, content),
        converse(node_a, node_b, IPV4, secret[1], receives_first, sends_first, content),
        converse(node_a, node_b, IPV6, secret[2], sends_first, receives_first, content),
        converse(node_a, node_b, IPV4, control, sends_first, receives_first, content),
    ]
    for talk in talks:
        talk.check()
    wire.secured(marker, *secret, flows=3)
    wire.clear(marker, control)
    for node in (node_a, node_b):
        assert {event["provider"] for event in node.await_events("Secured", 3)} == {"psk"}


@pytest.mark.agents(node_a=agent("5c"), node_b=agent("5d"))
def test_without_a_common_secret_nothing_is_said(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    port = ports.require()
    talk = converse(node_a, node_b, IPV4, port, sends_first, receives_first, payload(marker))
    with pytest.raises(Failed, match="Error"):
        talk.client.result()
    (refused,) = node_a.await_events("Refused", 1)
    assert refused["reason"] == "peer-unreachable"
    wire.silent(marker, port)
