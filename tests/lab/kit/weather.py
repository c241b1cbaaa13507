# SPDX-License-Identifier: Apache-2.0
"""What a network does to packets: drops, translates, loses and reorders them, in one node and for a while."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.lab.kit.node import Node

PEERING = 4646
_CHAINS = {
    "input": "type filter hook input priority 0",
    "output": "type filter hook output priority 0",
    "arriving": "type nat hook prerouting priority dstnat",
    "sent": "type nat hook output priority -100",
    "leaving": "type nat hook postrouting priority srcnat",
}


@contextmanager
def filtered(node: Node, *rules: tuple[str, str]) -> Iterator[None]:
    """Rules of nftables meanwhile, each a chain ('input' and 'output' to drop, the others to translate) and a rule."""
    chains = {name: [rule for chain, rule in rules if chain == name] for name in dict(rules)}
    bodies = ("\n".join((f"chain {name} {{", _CHAINS[name], *lines, "}")) for name, lines in chains.items())
    _nft(node, "\n".join(("table inet lab {", *bodies, "}")))
    try:
        yield
    finally:
        _nft(node, "delete table inet lab")


def _nft(node: Node, text: str) -> None:
    subprocess.run(["on", node.name, "nft", "-f", "-"], input=text, text=True, check=True, timeout=30)


@contextmanager
def poor_link(netem: str, *nodes: Node) -> Iterator[None]:
    """What those nodes send meanwhile goes through the kernel's network emulator, with these words of tc-netem(8)."""
    with ExitStack() as stack:
        for node in nodes:
            node.run(["tc", "qdisc", "add", "dev", node.name, "root", "netem", *netem.split()])
            stack.callback(node.run, ["tc", "qdisc", "del", "dev", node.name, "root"])
        yield
