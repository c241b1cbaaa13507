# SPDX-License-Identifier: Apache-2.0
"""The nodes, as the mapping has them: whether this one is among them, and whether the others' agents are in reach."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from tlshub_core import mapped
from tlshub_core.config import Config
from tlshub_core.doctor.check import Check, checked, ok, warning
from tlshub_core.types.errors import TlshubError
from tlshub_core.types.flow import Address, Pod
from tlshub_core.types.interfaces import Probe
from tlshub_core.wording import quoted

PATIENCE_S = 2.0
MOST = 64  # at a time, and shown: a cluster's worth of nodes is not dialled to find a firewall
SHOWN = 5


def checks(config: Config) -> list[Check]:
    """All of this file; nothing where there is no mapping, or it cannot be read, which is another check's to say."""
    if config.mapping.source is None:
        return []
    try:
        pods = asyncio.run(mapped.pods(config))
    except TlshubError:
        return []
    node, port = config.peering.node, config.peering.port
    return [
        checked("mapping", "this-node", this_node, pods, node),
        checked("peering", "peers", peers, addresses(pods, node), port),
    ]


def this_node(pods: Sequence[Pod], node: str) -> Probe:
    """Whether the mapping has this node, by the name that the configuration gives it."""
    names = sorted({pod.node.name for pod in pods})
    if node in names:
        return ok(f"it has this node, '{node}'")
    some = quoted(names[:SHOWN]) + (" and others" if len(names) > SHOWN else "")
    remedy = "set 'node' in '[peering]' to this node's name in the mapping, or give its pods to it there"
    return warning(f"it has no pod of this node, '{node}', but such of {some}", remedy)


def addresses(pods: Iterable[Pod], node: str) -> dict[str, Address]:
    """Where the agents of the other nodes are, by node."""
    return {pod.node.name: pod.node.address for pod in pods if pod.node.name != node and pod.node.address is not None}


def peers(nodes: dict[str, Address], port: int) -> Probe:
    """Whether TCP reaches each of these agents; nothing is said to them, and who they are is for a session to find."""
    if not nodes:
        return ok("the mapping has no address of another node's agent")
    asked = dict(sorted(nodes.items())[:MOST])
    answers = asyncio.run(_reached(asked, port))
    silent = [f"'{node}' at {asked[node]} ({why})" for node, why in answers.items() if why]
    if not silent:
        return ok(f"{len(asked)} of {len(nodes)} other nodes were dialled, and listen on port {port}")
    message = f"{len(silent)} of {len(asked)} do not listen on port {port}: {', '.join(silent[:SHOWN])}"
    return warning(message, f"start their agents, or let TCP port {port} through between the nodes")


async def _reached(nodes: dict[str, Address], port: int) -> dict[str, str]:
    found = await asyncio.gather(*(_dial(address, port) for address in nodes.values()))
    return dict(zip(nodes, found, strict=True))


async def _dial(address: Address, port: int) -> str:
    """What went wrong, nothing where it did not."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            _, writer = await asyncio.open_connection(str(address), port)
    except TimeoutError:
        return f"no answer within {PATIENCE_S:.0f} s"
    except OSError as error:
        return (error.strerror or str(error)).lower()
    writer.close()
    return ""
