# SPDX-License-Identifier: Apache-2.0
"""The two backends are one to each other: what bcc compiles passes what every backend must, on a kernel that holds
connections, and each takes over what the other left pinned, whatever its events come by.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial

import pytest

from bpf.tests import test_bpf_conformance as conformance
from bpf.tests.conftest import compiled
from bpf.tests.test_bpf_conformance import TestBcc
from tests.lab.kit.attempt import serve_whom_it_may, try_to
from tests.lab.kit.bcc import BCC, PERF, needs_bcc
from tests.lab.kit.chat import Chat
from tests.lab.kit.node import Node
from tests.lab.kit.pins import folder, loaded, until
from tests.lab.kit.ports import IPV4, Ports
from tests.lab.kit.talk import converse, payload, receives_first, sends_first
from tests.lab.kit.wire import Wire
from tlshub_core.api import Level

# libbpf's programs pass the same on any machine, and bcc's hardly differ by what events come by.
__all__ = ("TestBcc", "compiled")
BACKENDS = (BCC, PERF, {"capture.backend": '"libbpf"'})


@needs_bcc
@pytest.mark.parametrize("kind", [TestBcc, conformance.TestBccByPerf, conformance.TestLibbpf])
def test_this_kernel_takes_the_gate_of_both(kind: type[TestBcc | conformance.TestLibbpf]) -> None:
    found = asyncio.run(kind().make().probe())
    assert (found.level, found.message[-25:]) == (Level.OK, "the kernel takes the gate"), found


@needs_bcc
def test_each_takes_over_what_the_other_left(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    """One connection goes on all the time; others begin while no agent lives, and under each backend, at both ends."""
    going, new, content = ports.require(), list[int](), payload(marker)
    chat = Chat(node_a, node_b, going, marker)
    orphans, before = [ports.require() for _ in BACKENDS], loaded("prog")["gate_send"]
    for backend, orphan in zip(BACKENDS, orphans, strict=True):
        for node in (node_a, node_b):
            node.agent.kill()
        serving = partial(serve_whom_it_may, way=IPV4, port=orphan, talk=receives_first, content=content)
        assert node_b.start(serving).heard() == "listening"
        waiting = node_a.start(partial(try_to, way=IPV4, port=orphan, content=content))
        for node in (node_b, node_a):
            _begins(node, backend)
            assert (folder(node) / "links/gate_send").exists()
        new += [ports.require(), ports.require()]
        converse(node_a, node_b, IPV4, new[-2], sends_first, receives_first, content).check()
        converse(node_a, node_b, IPV4, new[-1], receives_first, sends_first, content).check()
        until(lambda: loaded("prog")["gate_send"] == before, "programs that were replaced are there still")
        waiting.result(120)
    assert chat.end() is False, "a program can read the keys"
    wire.secured(marker, going, *new)
    for orphan in orphans:
        wire.secret(marker, orphan)


def _begins(node: Node, changes: Mapping[str, str]) -> None:
    said = len(node.agent.log)
    node.agent.start(changes)
    node.agent.ready()
    log, backend = node.agent.log[said:], changes["capture.backend"].strip('"')
    assert f"Capture backend: {backend} (" in log, log
    assert ("; events by perf buffers" in log) == (changes is PERF), log
    assert "keeps its" not in log, "a map is of another size"
