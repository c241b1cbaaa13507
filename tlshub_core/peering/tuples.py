# SPDX-License-Identifier: Apache-2.0
"""The canonical byte form of a connection's tuple, on the wire and in the exporter context."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from tlshub_core.types.flow import Address, Tuple4

ADDRESS_SIZE = {4: 4, 6: 16}


def plain(address: Address) -> Address:
    """The IPv4 address in an IPv4-mapped one; any other address as it is."""
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def pack(tuple4: Tuple4) -> bytes:
    """Version byte (4 or 6), client address, client port, server address, server port; big-endian, 13 or 37 bytes.

    Raises ValueError where the families differ or an address is IPv4-mapped, which has no place on the wire.
    """
    client, server = tuple4.client, tuple4.server
    if client.version != server.version or plain(client) is not client or plain(server) is not server:
        raise ValueError(f"'{client}' and '{server}' are not two plain addresses of one family")
    ports = tuple4.client_port.to_bytes(2, "big"), tuple4.server_port.to_bytes(2, "big")
    return bytes((client.version,)) + client.packed + ports[0] + server.packed + ports[1]


def unpack(data: bytes) -> Tuple4:
    """The inverse of `pack`; raises ValueError for anything that `pack` cannot have made."""
    size = ADDRESS_SIZE.get(data[0], 0) if data else 0
    if not size or len(data) != 5 + 2 * size:
        raise ValueError("not a packed tuple")
    family = IPv4Address if size == 4 else IPv6Address
    client, server = family(data[1 : 1 + size]), family(data[3 + size : 3 + 2 * size])
    if plain(client) is not client or plain(server) is not server:
        raise ValueError("an IPv4-mapped address in a packed tuple")
    return Tuple4(
        client=client,
        client_port=int.from_bytes(data[1 + size : 3 + size], "big"),
        server=server,
        server_port=int.from_bytes(data[3 + 2 * size :], "big"),
    )
