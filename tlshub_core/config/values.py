# SPDX-License-Identifier: Apache-2.0
"""Values of the configuration that TOML has no type for; every function raises ValueError for a wrong one."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_network

from tlshub_core.types.capture import Network
from tlshub_core.types.flow import Mode
from tlshub_core.types.keys import Cipher
from tlshub_core.wording import quoted

PortRange = tuple[int, int]

_MAPPED = IPv6Network("::ffff:0:0/96")
_RANGE = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", re.ASCII)
_NODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}", re.ASCII)
_TRUST_DOMAIN = re.compile(r"[a-z0-9][a-z0-9._-]{0,254}", re.ASCII)


def elements(value: object, what: str) -> list[object]:
    """The elements of a list or tuple that must not be empty: an empty one would match all, or nothing."""
    if not isinstance(value, list | tuple):
        raise ValueError(f"expected a list of {what}")
    if not value:
        raise ValueError("the list is empty: leave the key out to match everything")
    return list(value)


def ports(value: object) -> tuple[PortRange, ...]:
    """Inclusive ranges from a list of integers and texts such as '80' or '8000-8100'."""
    return tuple(port_range(element) for element in elements(value, "ports"))


def port_range(value: object) -> PortRange:
    """One inclusive range of ports, 1 to 65535."""
    found = _RANGE.fullmatch(value) if isinstance(value, str) else None
    if isinstance(value, tuple):
        low, high = value
    elif found:
        low, high = int(found[1]), int(found[2] or found[1])
    elif isinstance(value, int) and not isinstance(value, bool):
        low = high = value
    else:
        raise ValueError(f"{_shown(value)} is no port: expected a number, or a range such as '8000-8100'")
    if not 1 <= low <= high <= 65535:
        raise ValueError(f"{_shown(value)} is no port range: ports are 1 to 65535, the lower one first")
    return low, high


def networks(value: object) -> tuple[Network, ...]:
    """Networks from a list of texts such as '10.0.0.0/8'; IPv4-mapped ones become IPv4, as on the wire."""
    return tuple(_network(element) for element in elements(value, "networks such as '10.0.0.0/8'"))


def _network(value: object) -> Network:
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    if not isinstance(value, str):
        raise ValueError(f"{_shown(value)} is no network: expected text such as '10.0.0.0/8'")
    try:
        network = ip_network(value)
    except ValueError as error:
        raise ValueError(f"{_shown(value)} is no network: {_reason(value, error)}") from None
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        return IPv4Network((network.network_address.packed[12:], network.prefixlen - 96))
    return network


def _reason(value: str, error: ValueError) -> str:
    if "host bits" not in str(error):
        return "expected such as '10.0.0.0/8', 'fd00::/8' or one address"
    return f"it has bits beyond its prefix, did you mean '{ip_network(value, strict=False)}'?"


def mode(value: object) -> Mode:
    """A mode from its name in small letters."""
    if isinstance(value, Mode):
        return value
    names = {known.name.lower(): known for known in Mode}
    if not isinstance(value, str) or value not in names:
        raise ValueError(f"{_shown(value)} is no mode, expected one of {quoted(names)}")
    return names[value]


def ciphers(value: object) -> tuple[Cipher, ...]:
    """Ciphers from their labels, best first, each once."""
    found = tuple(one if isinstance(one, Cipher) else Cipher.of(str(one)) for one in elements(value, "ciphers"))
    if len(set(found)) != len(found):
        raise ValueError("a cipher is listed twice")
    return found


def node_name(value: str) -> str:
    """A node's name as it may stand in a SPIFFE path segment and in a file name."""
    if not _NODE.fullmatch(value):
        raise ValueError(f"{_shown(value)} is no node name: expected letters, digits, '.', '_' and '-'")
    return value


def trust_domain(value: str) -> str:
    """A SPIFFE trust domain: small letters, digits, '.', '_' and '-'."""
    if not _TRUST_DOMAIN.fullmatch(value):
        raise ValueError(f"{_shown(value)} is no trust domain: expected small letters, digits, '.', '_' and '-'")
    return value


def printable(value: str) -> str:
    """Text that is not empty and can stand in a log line and in a path."""
    if not value or len(value) > 4096 or not value.isprintable():
        raise ValueError("expected text of at most 4096 printable characters, and not empty")
    return value


def printable_path(value: object) -> object:
    """A path's text, checked as `printable` does; a path object stays as it is."""
    return printable(value) if isinstance(value, str) else value


def names(value: object) -> object:
    """A list of names that is not empty; the names themselves are checked by their type."""
    return tuple(elements(value, "names"))


def _shown(value: object) -> str:
    text = str(value)
    return f"'{text[:60]}…'" if len(text) > 60 else f"'{text}'"
