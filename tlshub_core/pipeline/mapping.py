# SPDX-License-Identifier: Apache-2.0
"""Step 2: from addresses to pods and nodes."""

from __future__ import annotations

from tlshub_core.types.flow import Address, Endpoint, Node, Side, Tuple4
from tlshub_core.types.interfaces import MappingSource


def plain(address: Address) -> Address:
    """The IPv4 address in an IPv4-mapped IPv6 address (RFC 4291, section 2.5.5.2); any other as it is."""
    return (address.ipv4_mapped or address) if address.version == 6 else address


def enrich(tuple4: Tuple4, side: Side, mapping: MappingSource | None) -> tuple[Endpoint, Endpoint, Node | None]:
    """The client's end, the server's end, and the node of the end that is not on this host.

    Pods and node are None where the mapping does not know the address, or where there is no mapping: never a guess.
    """
    client = _endpoint(tuple4.client, tuple4.client_port, mapping)
    server = _endpoint(tuple4.server, tuple4.server_port, mapping)
    remote = server if side is Side.CLIENT else client
    return client, server, remote.pod.node if remote.pod else None


def _endpoint(address: Address, port: int, mapping: MappingSource | None) -> Endpoint:
    known = plain(address)
    return Endpoint(address=known, port=port, pod=mapping.by_address(known) if mapping else None)
