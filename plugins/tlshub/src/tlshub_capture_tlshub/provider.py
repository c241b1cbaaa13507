# SPDX-License-Identifier: Apache-2.0
"""The key provider: speaks to the module from `start` on, and has one way for each end of a connection."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

from tlshub_capture_tlshub.accepting import Accepting
from tlshub_capture_tlshub.channel import KERNEL, Link
from tlshub_capture_tlshub.client import Client
from tlshub_capture_tlshub.config import TlshubConfig
from tlshub_capture_tlshub.connecting import Connecting
from tlshub_capture_tlshub.masters import Masters
from tlshub_capture_tlshub.probe import check_module
from tlshub_core.api import AgentContext, Flow, Pending, Probe, Reason, Side, Unavailable, Unsupported


@dataclass(frozen=True, slots=True, kw_only=True)
class _Running:
    client: Client
    connecting: Connecting
    accepting: Accepting


class TlshubProvider:
    """A KeyProvider; `port_id` is where the module answers from, another one than the kernel's in tests only."""

    def __init__(self, config: TlshubConfig, port_id: int = KERNEL) -> None:
        self._config = config
        self._link = Link(protocol=config.netlink_protocol, version=config.protocol_version, port_id=port_id)
        self._running: _Running | None = None

    async def probe(self) -> Probe:
        """Whether a kernel module listens; nothing is sent, no module is loaded."""
        return check_module(self._config.netlink_protocol)

    async def start(self, agent: AgentContext) -> None:
        """INIT; raises Unavailable where the module is not there or does not answer."""
        client = Client(self._link, self._config, agent.log)
        try:
            await client.init()
        except BaseException:
            client.close()
            raise
        masters = Masters(agent, client)
        connecting = Connecting(agent, masters, self._config.node_pause_s)
        self._running = _Running(client=client, connecting=connecting, accepting=Accepting(agent, masters))

    async def stop(self) -> None:
        """Close the sockets; flows under way get Unavailable. May be called twice."""
        running, self._running = self._running, None
        if running is not None:
            running.client.close()

    async def prepare(self, flow: Flow) -> Pending:
        """The master key of the flow; raises Refused, Unavailable, and Unsupported for IPv6."""
        running = self._running
        if running is None:
            raise Unavailable("provider 'tlshub' is not running", Reason.SHUTDOWN)
        if not isinstance(flow.remote.address, IPv4Address):
            raise Unsupported(f"IPv6 is not supported by TLSHub: '{flow.remote}' needs a rule with another 'provider'")
        way = running.connecting if flow.side is Side.CLIENT else running.accepting
        return await way.prepare(flow)
