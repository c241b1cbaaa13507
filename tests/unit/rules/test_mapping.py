# SPDX-License-Identifier: Apache-2.0
"""From addresses to endpoints and the node of the other end."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from tests.unit.rules.pods import NODE_A, NODE_B, PODS
from tlshub_core.api import Side, Tuple4
from tlshub_core.pipeline.mapping import enrich
from tlshub_core.testing.memory import MemoryMapping

TUPLE = Tuple4(client=IPv4Address("10.0.0.2"), client_port=4000, server=IPv4Address("10.0.0.3"), server_port=80)


def test_enrich_names_pods_and_the_node_of_the_other_end() -> None:
    client, server, peer = enrich(TUPLE, Side.CLIENT, MemoryMapping(PODS))
    assert (client.pod, server.pod, peer) == (PODS[0], PODS[2], NODE_B)
    assert (str(client), str(server)) == ("10.0.0.2:4000", "10.0.0.3:80")
    assert enrich(TUPLE, Side.SERVER, MemoryMapping(PODS))[2] == NODE_A


def test_enrich_never_guesses() -> None:
    for mapping in (None, MemoryMapping()):
        client, server, peer = enrich(TUPLE, Side.CLIENT, mapping)
        assert (client.pod, server.pod, peer) == (None, None, None)


def test_enrich_takes_mapped_addresses_as_ipv4() -> None:
    mapped = Tuple4(client=IPv6Address("::ffff:10.0.0.2"), client_port=1, server=IPv6Address("fd00::2"), server_port=2)
    client, server, peer = enrich(mapped, Side.CLIENT, MemoryMapping(PODS))
    assert client.address == IPv4Address("10.0.0.2")
    assert client.pod == PODS[0]
    assert (server.pod, peer) == (PODS[1], NODE_A)
