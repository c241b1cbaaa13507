# SPDX-License-Identifier: Apache-2.0
"""What rules mean, in the plainest words: backends are compared with this."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv6Address

from tlshub_core.types.capture import Match, Network, RuleSet
from tlshub_core.types.flow import Address, Mode, Side

_MAPPED = int(IPv6Address("::ffff:0:0"))


def first_match(rules: RuleSet, side: Side, remote: Address, port: int, comm: str | None = None) -> tuple[int, Mode]:
    """The first row that applies, as (rule, mode); (-1, BYPASS) where none does.

    `comm` is None where the process is not known: then no row that names one applies.
    """
    found = first_row(rules, side, remote, port, comm)
    return (found.rule, found.mode) if found else (-1, Mode.BYPASS)


def first_row(rules: RuleSet, side: Side, remote: Address, port: int, comm: str | None = None) -> Match | None:
    """The first row that applies."""
    return next((row for row in rules.matches if applies(row, side, remote, port, comm)), None)


def applies(row: Match, side: Side, remote: Address, port: int, comm: str | None) -> bool:
    """Whether one row is about such a connection; `port` is the service's, `ports` inclusive."""
    return (
        side in row.sides
        and row.ports[0] <= port <= row.ports[1]
        and (row.network is None or contains(row.network, remote))
        and (not row.comm or row.comm == comm)
    )


def contains(network: Network, address: Address) -> bool:
    """A network of one family holds no address of the other: '::/0' is no IPv4 address's."""
    if network.version != address.version:
        return False
    mapped = network.version == 4
    prefix = network.prefixlen + (96 if mapped else 0)
    base = int(network.network_address) + (_MAPPED if mapped else 0)
    number = int(address) + (_MAPPED if address.version == 4 else 0)
    return (base ^ number) >> (128 - prefix) == 0


def rule_set(matches: Iterable[Match]) -> RuleSet:
    """A RuleSet of these rows, with a name for every rule."""
    rows = tuple(matches)
    count = max((row.rule for row in rows), default=-1) + 1
    return RuleSet(names=tuple(f"rule-{number}" for number in range(count)), matches=rows)


def row(
    mode: Mode,
    *,
    rule: int = 0,
    ports: tuple[int, int] = (1, 65535),
    network: Network | None = None,
    passthrough: bool = False,
) -> Match:
    """A row for both sides."""
    return Match(rule=rule, mode=mode, sides=frozenset(Side), ports=ports, network=network, passthrough=passthrough)
