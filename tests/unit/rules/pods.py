# SPDX-License-Identifier: Apache-2.0
"""A mapping: a pod with addresses of both families, one of another node, and one without an address."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from tlshub_core.api import Node, Pod

NODE_A, NODE_B = Node(name="a", address=IPv4Address("192.0.2.1")), Node(name="b")
PODS = (
    Pod(name="web", node=NODE_A, address=IPv4Address("10.0.0.2")),
    Pod(name="web", node=NODE_A, address=IPv6Address("fd00::2")),
    Pod(name="api", node=NODE_B, address=IPv4Address("10.0.0.3")),
    Pod(name="lone", node=NODE_B),
)
