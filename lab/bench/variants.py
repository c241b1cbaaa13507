# SPDX-License-Identifier: Apache-2.0
"""What is measured: how a client reaches the same nginx, and which nodes' agents run meanwhile."""

from __future__ import annotations

from dataclasses import dataclass

from bench.measurement import LOADS
from bench.servers import CAPTURED, CLEAR, TLS
from bench.tunnels import HAPROXY_IN, HAPROXY_TLS, STUNNEL_IN, STUNNEL_TLS


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A backend, and the set of nodes whose agents, of that backend, run."""

    backend: str
    nodes: tuple[str, ...]


# The programs of an agent see the whole kernel's calls: beside plain TCP there must be none, and one where a single
# node's agent is meant. In this order, and backwards, agents are started least often.
PHASES = (
    Phase(backend="libbpf", nodes=("node-b", "node-a")),
    Phase(backend="libbpf", nodes=("node-b",)),
    Phase(backend="libbpf", nodes=()),
    Phase(backend="bcc", nodes=("node-b",)),
    Phase(backend="bcc", nodes=("node-b", "node-a")),
)
LIBBPF_BOTH, LIBBPF_ONE, NO_AGENT, BCC_ONE, BCC_BOTH = range(5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A way from the client to nginx: a URL without its path, the phase it belongs to, whether the link shows TLS.

    `loads` are those that it is measured with.
    """

    name: str
    base: str
    port: int
    phase: int
    secret: bool
    loads: tuple[str, ...] = LOADS

    @property
    def backend(self) -> str:
        """Of the agents that run meanwhile, if any do."""
        return PHASES[self.phase].backend


def variants(server: str, bcc: bool) -> tuple[Variant, ...]:
    """All of them, for a server at this address, those of the backend 'bcc' if wanted.

    `port` is that on the link between the nodes.
    """
    clear, captured = f"http://{server}:{CLEAR}", f"http://{server}:{CAPTURED}"
    tls, stunnel, haproxy = (
        f"https://{server}:{TLS}",
        f"http://127.0.0.1:{STUNNEL_IN}",
        f"http://127.0.0.1:{HAPROXY_IN}",
    )
    ways = (
        Variant(name="plain", base=clear, port=CLEAR, phase=NO_AGENT, secret=False),
        Variant(name="nginx_tls", base=tls, port=TLS, phase=NO_AGENT, secret=True),
        Variant(name="stunnel", base=stunnel, port=STUNNEL_TLS, phase=NO_AGENT, secret=True),
        Variant(name="haproxy", base=haproxy, port=HAPROXY_TLS, phase=NO_AGENT, secret=True),
        Variant(name="uncaptured", base=clear, port=CLEAR, phase=LIBBPF_ONE, secret=False),
        Variant(name="captured", base=captured, port=CAPTURED, phase=LIBBPF_BOTH, secret=True),
    )
    # A connection that is secured is the kernel's; so only what is done till then can differ by backend.
    begun = ("connections",)
    by_bcc = (
        Variant(name="uncaptured_bcc", base=clear, port=CLEAR, phase=BCC_ONE, secret=False),
        Variant(name="captured_bcc", base=captured, port=CAPTURED, phase=BCC_BOTH, secret=True, loads=begun),
    )
    return ways + by_bcc if bcc else ways
