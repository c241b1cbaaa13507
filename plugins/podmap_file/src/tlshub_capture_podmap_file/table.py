# SPDX-License-Identifier: Apache-2.0
"""The text of a mapping file as a table; strict, since a wrong node means keys for the wrong machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address

from tlshub_core.api import Address, ConfigError, Node, Pod

UNKNOWN = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """All pods of a file in its order, a pod with two addresses as two; and the two ways to look one up."""

    pods: tuple[Pod, ...] = ()
    by_address: Mapping[Address, Pod] = field(default_factory=dict)
    by_name: Mapping[str, Pod] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    number: int
    pod: str
    node: str
    node_addresses: tuple[Address, ...]
    pod_addresses: tuple[Address, ...]


def parse(text: str, file: str) -> Table:
    """The table in `text`; raises ConfigError naming `file` and the line.

    Columns, apart by white space: pod_name node_name [node_ip] [pod_ip]. Either address may be '-' for unknown, or
    several with commas and no blanks between; a node's first one is where its agent is reached. From '#' to the end
    of a line is comment.
    """
    lines = list(_lines(text, file))
    nodes = _nodes(lines, file)
    by_address: dict[Address, Pod] = {}
    by_name: dict[str, Pod] = {}
    pods: list[Pod] = []
    for line in lines:
        if line.pod in by_name:
            raise _error(file, line.number, f"pod '{line.pod}' is listed twice: put all its addresses on one line")
        for pod in _pods(line, nodes[line.node]):
            if pod.address is not None and (other := by_address.setdefault(pod.address, pod)) is not pod:
                raise _error(file, line.number, f"address '{pod.address}' is already that of pod '{other.name}'")
            by_name.setdefault(pod.name, pod)
            pods.append(pod)
    return Table(pods=tuple(pods), by_address=by_address, by_name=by_name)


def _pods(line: _Line, node: Node) -> list[Pod]:
    return [Pod(name=line.pod, node=node, address=address) for address in line.pod_addresses or (None,)]


def _lines(text: str, file: str) -> Iterator[_Line]:
    for number, raw in enumerate(text.split("\n"), 1):
        columns = raw.partition("#")[0].split()
        if not columns:
            continue
        if not 2 <= len(columns) <= 4:
            raise _error(file, number, f"{len(columns)} columns, expected 'pod_name node_name [node_ip] [pod_ip]'")
        if not all(name.isprintable() and name != UNKNOWN for name in columns[:2]):
            raise _error(file, number, "a name is '-' or has unprintable characters")
        node_ip, pod_ip = [*columns[2:], UNKNOWN, UNKNOWN][:2]
        yield _Line(
            number=number,
            pod=columns[0],
            node=columns[1],
            node_addresses=_addresses(node_ip, file, number),
            pod_addresses=_addresses(pod_ip, file, number),
        )


def _addresses(column: str, file: str, number: int) -> tuple[Address, ...]:
    if column == UNKNOWN:
        return ()
    return tuple(_address(text, file, number) for text in column.split(","))


def _address(text: str, file: str, number: int) -> Address:
    try:
        address = ip_address(text)
    except ValueError:
        raise _error(file, number, f"'{text}' is no address: expected such as '10.0.0.1', 'fd00::1' or '-'") from None
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            raise _error(file, number, f"'{text}' has a zone, which means nothing on another node: leave it out")
        address = address.ipv4_mapped or address
    if address.is_unspecified or address.is_multicast:
        raise _error(file, number, f"'{text}' is no address of one machine")
    return address


def _nodes(lines: Sequence[_Line], file: str) -> dict[str, Node]:
    known: dict[str, tuple[Address, ...]] = {}
    for line in lines:
        old = known.get(line.node, ())
        if old and line.node_addresses and old != line.node_addresses:
            raise _error(file, line.number, f"node '{line.node}' has another address than above, '{old[0]}'")
        known[line.node] = line.node_addresses or old
    return {name: Node(name=name, address=addresses[0] if addresses else None) for name, addresses in known.items()}


def _error(file: str, number: int, message: str) -> ConfigError:
    return ConfigError(f"line {number}: {message}", file=file)
