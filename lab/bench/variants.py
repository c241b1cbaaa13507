# SPDX-License-Identifier: Apache-2.0
"""What is measured: how a client reaches the same nginx, and which nodes' agents run meanwhile."""

from __future__ import annotations

from dataclasses import dataclass

from bench.servers import CAPTURED, CLEAR, TLS
from bench.tunnels import HAPROXY_IN, HAPROXY_TLS, STUNNEL_IN, STUNNEL_TLS

# A phase is a set of nodes whose agents run. The programs of an agent see the whole kernel's calls: beside plain
# TCP there must be none, and one where a single node's agent is meant.
PHASES: tuple[tuple[str, ...], ...] = ((), ("node-b",), ("node-b", "node-a"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A way from the client to nginx: a URL without its path, the phase it belongs to, whether the link shows TLS."""

    name: str
    base: str
    port: int
    phase: int
    secret: bool


def variants(server: str) -> tuple[Variant, ...]:
    """All of them, for a server at this address; `port` is that on the link between the nodes."""
    return (
        Variant(name="plain", base=f"http://{server}:{CLEAR}", port=CLEAR, phase=0, secret=False),
        Variant(name="nginx_tls", base=f"https://{server}:{TLS}", port=TLS, phase=0, secret=True),
        Variant(name="stunnel", base=f"http://127.0.0.1:{STUNNEL_IN}", port=STUNNEL_TLS, phase=0, secret=True),
        Variant(name="haproxy", base=f"http://127.0.0.1:{HAPROXY_IN}", port=HAPROXY_TLS, phase=0, secret=True),
        Variant(name="uncaptured", base=f"http://{server}:{CLEAR}", port=CLEAR, phase=1, secret=False),
        Variant(name="captured", base=f"http://{server}:{CAPTURED}", port=CAPTURED, phase=2, secret=True),
    )
