# SPDX-License-Identifier: Apache-2.0
"""Step 1: from the rules of the configuration to the rows that the programs in the kernel match, first match wins."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network

from tlshub_core.config import Config, Rule
from tlshub_core.config import Match as RuleMatch
from tlshub_core.pipeline.mapping import plain
from tlshub_core.types.capture import Match, Network, RuleSet
from tlshub_core.types.errors import ConfigError
from tlshub_core.types.flow import Address, Mode, Side
from tlshub_core.types.interfaces import MappingSource

MAX_ROWS = 256
IMPLIED = "implied"

_ANY_PORT = (1, 65535)
_SIDES = {"in": frozenset({Side.SERVER}), "out": frozenset({Side.CLIENT}), "both": frozenset(Side)}


def compile_rules(config: Config, mapping: MappingSource | None) -> RuleSet:
    """The rows for all rules, in their order: every range of ports with every network.

    `mapping` has to be started; the addresses of pods are those that it knows now. Raises ConfigError for a pod
    without a known address, whatever the rule's mode: a rule that silently matches nothing protects nothing, or lets
    a later one refuse what it should have spared; and for more than 256 rows.
    """
    rules = list(config.rules)
    rows = [row for number, rule in enumerate(rules) for row in _rows(config, number, rule, mapping)]
    names = [rule.name for rule in rules]
    if config.implied:
        rows += _implied(len(names), mapping)
        names.append(IMPLIED)
    if len(rows) > MAX_ROWS:
        raise _overflow(config, names[rows[MAX_ROWS].rule], len(rows))
    return RuleSet(names=tuple(names), matches=tuple(rows))


def _rows(config: Config, number: int, rule: Rule, mapping: MappingSource | None) -> list[Match]:
    match = rule.match
    return [
        Match(
            rule=number,
            mode=rule.mode,
            sides=_SIDES[match.direction],
            ports=ports,
            network=network,
            comm=match.process or "",
            passthrough=rule.passthrough is not None,
        )
        for ports in match.ports or (_ANY_PORT,)
        for network in _networks(config, rule, mapping)
    ]


def _networks(config: Config, rule: Rule, mapping: MappingSource | None) -> Sequence[Network | None]:
    match: RuleMatch = rule.match
    if match.cidrs is None and match.pods is None:
        return (None,)
    pods = [network for name in match.pods or () for network in _pod(config, rule, name, mapping)]
    return tuple(dict.fromkeys([*(match.cidrs or ()), *pods]))


def _pod(config: Config, rule: Rule, name: str, mapping: MappingSource | None) -> list[Network]:
    def error(message: str) -> ConfigError:
        return config.error(f"rule '{rule.name}': {message}", table="[rule]", key="match.pods")

    if mapping is None:
        raise error("there is no mapping that could know pods: set 'source' in '[mapping]'")
    if mapping.by_name(name) is None:
        raise error(f"pod '{name}' is not in the mapping")
    found = [_host(pod.address) for pod in mapping.pods() if pod.name == name and pod.address is not None]
    if not found:
        raise error(f"the mapping knows no address of pod '{name}', so the rule would match nothing: add its address")
    return found


def _host(address: Address) -> Network:
    return ip_network(plain(address))


def _implied(number: int, mapping: MappingSource | None) -> list[Match]:
    networks: Sequence[Network | None] = _collapsed(
        [pod.address for pod in mapping.pods() if pod.address is not None] if mapping else []
    )
    mode = Mode.PREFER if networks else Mode.OBSERVE
    return [
        Match(rule=number, mode=mode, sides=_SIDES["both"], ports=_ANY_PORT, network=network)
        for network in networks or (None,)
    ]


def _collapsed(addresses: Iterable[Address]) -> list[Network]:
    """Exactly these addresses in as few networks as can be."""
    hosts = [_host(address) for address in addresses]
    v4 = collapse_addresses(host for host in hosts if isinstance(host, IPv4Network))
    v6 = collapse_addresses(host for host in hosts if isinstance(host, IPv6Network))
    return [*v4, *v6]


def _overflow(config: Config, name: str, rows: int) -> ConfigError:
    return config.error(
        f"rule '{name}' needs row number {MAX_ROWS + 1} of {rows}, but there is room for {MAX_ROWS}: each range of "
        "ports with each network or pod is a row, so use fewer and wider ones",
        table="[rule]",
        key="match",
    )
