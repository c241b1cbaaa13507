# SPDX-License-Identifier: Apache-2.0
"""A node's flow table where it is pinned: what the programs in the kernel know, whether an agent runs or not."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Sequence

from tlshub_capture_bpf import kept, layout
from tlshub_capture_bpf.libbpf import Libbpf
from tlshub_capture_bpf.maps import Map
from tlshub_capture_bpf.pins import MAPS

from tests.lab.kit.node import Node
from tests.lab.kit.pins import folder
from tlshub_core.types.capture import FlowKept, State


def flows(node: Node) -> Sequence[FlowKept]:
    """All of them; raises FileNotFoundError where nothing is pinned."""
    path = folder(node) / MAPS / "flows"
    libbpf = Libbpf()
    fd = libbpf.code("bpf_obj_get", str(path).encode())
    try:
        rows = Map(libbpf, fd, layout.FLOW.size).items(layout.U64.size)
        found = [kept.kept(layout.U64.unpack(key)[0], value) for key, value in rows]
    finally:
        os.close(fd)
    return [one for one in found if one is not None]


def states(node: Node) -> Counter[str]:
    """How many flows are in each state."""
    return Counter(one.seen.state.name.lower() for one in flows(node))


def await_state(node: Node, port: int, state: State, timeout: float = 30) -> None:
    """Until a flow to that server's port is in that state."""
    deadline = time.monotonic() + timeout
    while (port, state) not in {(one.seen.tuple.server_port, one.seen.state) for one in flows(node)}:
        assert time.monotonic() < deadline, f"at '{node.name}' no flow to port {port} is '{state.name}': {states(node)}"
        time.sleep(0.02)


def await_empty(node: Node, timeout: float = 30) -> None:
    """Until no flow is left."""
    deadline = time.monotonic() + timeout
    while left := flows(node):
        assert time.monotonic() < deadline, f"left at '{node.name}': {left}"
        time.sleep(0.1)
