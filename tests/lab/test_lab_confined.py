# SPDX-License-Identifier: Apache-2.0
"""An agent with the capabilities and system calls of the systemd unit does its work, for any user."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from tests.lab.kit.control import tell
from tests.lab.kit.job import Say
from tests.lab.kit.node import Node
from tests.lab.kit.ports import IPV4, Ports
from tests.lab.kit.talk import dial, payload, receives_first, sends_first, serve
from tests.lab.kit.wire import Wire
from tests.stranger import become
from tlshub_core.privileges import RUNNING, excess

AGENT = {"program": str(Path(__file__).parent / "kit/confined_agent.py")}


def dial_as_stranger(say: Say, port: int, content: bytes) -> bytes:
    become()
    return dial(say, IPV4, port, sends_first, content)


@pytest.mark.agents(node_a=AGENT, node_b=AGENT)
def test_it_secures_and_reloads(node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes) -> None:
    port, content = ports.require(), payload(marker)
    for node in (node_a, node_b):
        assert "Seccomp:\t2" in Path(f"/proc/{node.agent.pid}/status").read_text()
        assert excess(RUNNING, Path(f"/proc/{node.agent.pid}")) == ()
        assert tell(node, "reload")["rules"] > 3
    server = node_b.start(partial(serve, way=IPV4, port=port, talk=receives_first, content=content))
    assert server.heard() == "listening"
    client = node_a.start(partial(dial_as_stranger, port=port, content=content))
    assert client.result() == server.result() == content
    wire.secured(marker, port, flows=1)
