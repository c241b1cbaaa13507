# SPDX-License-Identifier: Apache-2.0
"""Nodes whose agents are made of different TLS libraries, or of the same: either may ask, and the keys are equal."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from socket import AF_INET6

import pytest

from tests.lab.kit.node import Node
from tests.lab.kit.ports import IPV4, Ports, Way
from tests.lab.kit.talk import at_once, converse, payload, receives_first, sends_first
from tests.lab.kit.wire import Wire
from tlshub_core.plugins import Registry

BACK = Way(name="ipv6-back", listen_family=AF_INET6, listen_host="fd77::1", family=AF_INET6, host="fd77::1")
FOLDER = Path(os.environ.get("LAB_NODES", "/run"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """The providers of both nodes, and the cipher of the connections."""

    a: str
    b: str
    cipher: str = "aes-gcm-128"

    @property
    def name(self) -> str:
        """For the test and its files."""
        return f"{self.a}-{self.b}-{self.cipher}"

    @property
    def keys(self) -> Path:
        """The key log of node-a."""
        return FOLDER / f"keys-{self.name}.jsonl"

    def mark(self) -> pytest.MarkDecorator:
        """The configurations of both agents; a peer may ask by either name."""
        both = {"keys.ciphers": f'["{self.cipher}"]', "keys.providers_allowed": '["boringssl", "openssl"]'}
        a, b = ({**both, "keys.provider": f'"{one}"'} for one in (self.a, self.b))
        return pytest.mark.agents(node_a={**a, "debug.keylog_file": f'"{self.keys}"'}, node_b=b)


CASES = (
    Case(a="openssl", b="boringssl"),
    Case(a="boringssl", b="openssl", cipher="aes-gcm-256"),
    Case(a="boringssl", b="boringssl"),
)


@pytest.mark.parametrize("case", [pytest.param(case, marks=case.mark(), id=case.name) for case in CASES])
def test_both_nodes_ask_and_exactly_the_agreed_keys_open_the_records(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, case: Case
) -> None:
    content, secret = payload(marker), [ports.require() for _ in range(4)]
    ways = ((node_a, node_b, IPV4), (node_b, node_a, BACK))
    orders = ((sends_first, receives_first), (at_once, at_once), (receives_first, sends_first), (at_once, at_once))
    talks = [
        converse(*ways[number % 2], port, *order, content)
        for number, (port, order) in enumerate(zip(secret, orders, strict=True))
    ]
    for talk in talks:
        talk.check()
    wire.secured(marker, *secret, flows=4)
    verdict, keyring = wire.judge(marker, *secret, keys=case.keys)
    assert keyring is not None and keyring.failed == keyring.foreign == 0
    assert keyring.opened == sum(sum(found.records) for found in verdict.findings) > 0
    for node, name in ((node_a, case.a), (node_b, case.b)):
        assert {event["cipher"] for event in node.await_events("Secured", 4)} == {case.cipher}
        library = Registry().key_provider(name).library
        assert library is not None
        assert [event["library"] for event in node.await_events("SessionUp", 2)] == [library()] * 2
