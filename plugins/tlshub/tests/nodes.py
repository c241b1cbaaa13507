# SPDX-License-Identifier: Apache-2.0
"""What the tests have to do with a stand-in: clients of it, nodes whose modules it is, flows and their keys."""

from __future__ import annotations

import logging
import struct
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tlshub_capture_tlshub.channel import Link
from tlshub_capture_tlshub.client import Client
from tlshub_capture_tlshub.config import TlshubConfig
from tlshub_capture_tlshub.provider import TlshubProvider
from tlshub_capture_tlshub.wire import Opcode, Request

from plugins.tlshub.tests.stand_in import PROTOCOL, StandIn
from tlshub_core.api import Flow, Isns, KeyProvider, Mode
from tlshub_core.testing import pair as pairs
from tlshub_core.testing.exchanges import ISNS, plain
from tlshub_core.testing.pair import Pair

Nodes = Callable[..., Pair]
LOG = logging.getLogger("tlshub.test")
MASTER = bytes(range(1, 33))
ASK = {
    opcode: Request.about(opcode, pairs.flows(40_001)[0].tuple, server=False) for opcode in (Opcode.START, Opcode.FETCH)
}


def config(**options: object) -> TlshubConfig:
    """Options of a provider that speaks to a stand-in."""
    return TlshubConfig(netlink_protocol=PROTOCOL, **options)  # type: ignore[arg-type]


def node_pair(folder: Path, module: int, **options: object) -> Pair:
    """Two nodes, not started, whose modules are the one with that port id."""
    names = (pairs.CLIENT_NODE.name, pairs.SERVER_NODE.name)
    client, server = (pairs.agent(pairs.identity(folder, name, 4646), "tlshub") for name in names)
    one, two = (TlshubProvider(config(**options), module) for _ in names)
    return Pair(client=one, server=two, client_agent=client, server_agent=server)


def client_of(module: StandIn, **options: object) -> Client:
    """A client that speaks to that stand-in."""
    link = Link(protocol=PROTOCOL, version=1, port_id=module.port_id)
    return Client(link, config(**options), LOG)


def flow(port: int = 40_001) -> Flow:
    """The connecting end."""
    return pairs.flows(port)[0]


def key_of(port: int = 40_001) -> bytes:
    """Its tuple as requests have it, without the node: addresses, then ports."""
    return bytes((10, 1, 0, 1, 10, 2, 0, 1)) + struct.pack("!HH", port, 80)


async def keys(provider: KeyProvider, isns: Isns = ISNS, port: int = 40_001) -> list[object]:
    """The connecting end's keys, as comparable values."""
    return plain(await (await provider.prepare(flow(port))).keys(isns, None))


def preferred(port: int = 40_001, within_s: float = 1.0) -> tuple[Flow, Flow]:
    """Both ends under 'prefer', client first, with that much time."""
    deadline = time.monotonic_ns() + int(within_s * 1e9)
    client, server = (replace(end, mode=Mode.PREFER, deadline_ns=deadline) for end in pairs.flows(port))
    return client, server
