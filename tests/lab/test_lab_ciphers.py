# SPDX-License-Identifier: Apache-2.0
"""The other ciphers, and whether exactly the keys of a connection open its records."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.lab.kit.node import Node
from tests.lab.kit.ports import IPV4, IPV6, Ports
from tests.lab.kit.talk import at_once, converse, payload, receives_first, sends_first
from tests.lab.kit.wire import Wire

KEYS = Path(os.environ.get("LAB_NODES", "/run")) / "keys-{}.jsonl"


def with_cipher(cipher: str) -> pytest.MarkDecorator:
    changes = {"keys.ciphers": f'["{cipher}"]'}
    logging = {"debug.keylog_file": f'"{str(KEYS).format(cipher)}"'}
    return pytest.mark.agents(node_a={**changes, **logging}, node_b=changes)


@pytest.mark.parametrize(
    "cipher", [pytest.param(c, marks=with_cipher(c)) for c in ("aes-gcm-256", "chacha20-poly1305")]
)
def test_a_configured_cipher_and_its_keys(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, cipher: str
) -> None:
    content, secret = payload(marker), [ports.require() for _ in range(3)]
    orders = ((sends_first, receives_first), (at_once, at_once), (receives_first, sends_first))
    ways = (IPV4, IPV6, IPV4)
    talks = [
        converse(node_a, node_b, way, port, *order, content)
        for way, port, order in zip(ways, secret, orders, strict=True)
    ]
    for talk in talks:
        talk.check()
    wire.secured(marker, *secret, flows=3)
    for node in (node_a, node_b):
        assert {event["cipher"] for event in node.await_events("Secured", 3)} == {cipher}
    keys = Path(str(KEYS).format(cipher))
    assert keys.stat().st_mode & 0o777 == 0o600
    wire.opened(marker, *secret, keys=keys)
