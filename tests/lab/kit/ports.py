# SPDX-License-Identifier: Apache-2.0
"""Ports by what the lab's rules say of them (tests/lab/run has the same ranges), and by which ways to reach them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle
from socket import AF_INET, AF_INET6, AddressFamily


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The next port of each mode, round and round; two of one test are never the same."""

    _require: Iterator[int] = field(default_factory=lambda: cycle(range(7001, 7050)))
    _prefer: Iterator[int] = field(default_factory=lambda: cycle(range(7051, 7080)))
    _bypass: Iterator[int] = field(default_factory=lambda: cycle(range(7081, 7090)))
    _observe: Iterator[int] = field(default_factory=lambda: cycle(range(7091, 7100)))

    def require(self) -> int:
        """A port whose connections have to be secured."""
        return next(self._require)

    def prefer(self) -> int:
        """A port whose connections are to be secured, if it can be."""
        return next(self._prefer)

    def bypass(self) -> int:
        """A port that is not captured: the control."""
        return next(self._bypass)

    def observe(self) -> int:
        """A port whose connections are only reported."""
        return next(self._observe)


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How a client reaches a server: address family, protocol and address at each end.

    `host` is where the client connects to.
    """

    name: str
    listen_family: AddressFamily
    listen_host: str
    family: AddressFamily
    host: str
    listen_protocol: int = 0
    protocol: int = 0


IPV4 = Way(name="ipv4", listen_family=AF_INET, listen_host="10.77.0.2", family=AF_INET, host="10.77.0.2")
IPV6 = Way(name="ipv6", listen_family=AF_INET6, listen_host="fd77::2", family=AF_INET6, host="fd77::2")
DUAL = Way(name="dual-stack", listen_family=AF_INET6, listen_host="::", family=AF_INET, host="10.77.0.2")
MAPPED = Way(name="mapped", listen_family=AF_INET, listen_host="0.0.0.0", family=AF_INET6, host="::ffff:10.77.0.2")
WAYS = (IPV4, IPV6, DUAL, MAPPED)
