# SPDX-License-Identifier: Apache-2.0
"""Which connections are judged: those that a rule promises encryption, as far as the wire shows what a rule names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from tlshub_core.types.capture import Match, RuleSet
from tlshub_core.types.flow import Mode, Side
from tlshub_core.verifying.ends import End

PortRange = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What is expected of a connection: its rule ('' for none), the mode, whether TLS of its own may be left alone."""

    rule: str = ""
    mode: Mode = Mode.REQUIRE
    passthrough: bool = False


class Scope:
    """Connections by the service's port, and by rules where there are some; the first row that applies decides.

    A row that names a process is passed over, since the wire does not show it, unless its rule alone is asked for.
    """

    def __init__(
        self,
        rules: RuleSet | None = None,
        only: str = "",
        ports: Sequence[PortRange] = (),
        excluded: Sequence[PortRange] = (),
    ) -> None:
        """Raises ValueError where no rule is called `only`, or no rule asks for encryption."""
        self._only, self._ports, self._excluded = only, tuple(ports), tuple(excluded)
        self._rows = self._chosen(rules, only) if rules else None
        self._names = rules.names if rules else ()
        self._wanted = bytearray(1 << 16)
        for low, high in self.ranges:
            self._wanted[low : high + 1] = b"\1" * (high + 1 - low)
        for low, high in self._excluded:
            self._wanted[low : high + 1] = bytes(high + 1 - low)

    @property
    def ranges(self) -> tuple[PortRange, ...]:
        """Ports, inclusive, of which a connection has to have one."""
        rows = [row.ports for row in self._rows or () if self._promises(row)]
        return self._ports or tuple(dict.fromkeys(rows)) or ((0, 65535),)

    def wants(self, one: int, other: int) -> bool:
        """Whether a connection between these ports may be one of those."""
        return bool(self._wanted[one] or self._wanted[other])

    def promise(self, client: End, server: End) -> Promise | None:
        """What is promised for this connection; None where nothing is."""
        port = server[1]
        if not self._wanted[port]:
            return None
        if self._rows is None:
            return Promise()
        ends = ip_address(client[0]), ip_address(server[0])
        row = next((row for row in self._rows if _applies(row, port, *ends)), None)
        if row is None or not self._promises(row):
            return None
        return Promise(rule=self._names[row.rule], mode=row.mode, passthrough=row.passthrough)

    def _chosen(self, rules: RuleSet, only: str) -> tuple[Match, ...]:
        if only and only not in rules.names:
            raise ValueError(f"no rule is called '{only}': there are {', '.join(map(repr, rules.names))}")
        rows = tuple(row for row in rules.matches if not row.comm or rules.names[row.rule] == only)
        self._names = rules.names
        if not any(map(self._promises, rows)):
            raise ValueError("no rule asks for encryption ('prefer', 'require'): name one with '--rule', or '--ports'")
        return rows

    def _promises(self, row: Match) -> bool:
        return self._names[row.rule] == self._only if self._only else row.mode >= Mode.PREFER


def _applies(row: Match, port: int, client: IPv4Address | IPv6Address, server: IPv4Address | IPv6Address) -> bool:
    """Whether a row is about such a connection at either of its ends: which one this host is the wire does not show."""
    if not row.ports[0] <= port <= row.ports[1]:
        return False
    remotes = [remote for side, remote in ((Side.CLIENT, server), (Side.SERVER, client)) if side in row.sides]
    return any(row.network is None or remote in row.network for remote in remotes)
