# SPDX-License-Identifier: Apache-2.0
"""'bench' between two nodes: each provider is measured as itself, and the wire shows which variants were in clear."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lab.kit.control import socket_of, tell
from tests.lab.kit.node import Node
from tests.lab.kit.wire import Wire
from tlshub_core.benching import files
from tlshub_core.benching.compare import same_machine

PORT, LOCAL = 7801, 7811  # ports of which the lab's rules say nothing
RULES = {
    "rules": f'[[rule]]\nname = "bench"\nmatch = {{ ports = [{PORT + 1}, {LOCAL + 1}] }}\nmode = "require"\n',
    "keys.provider": '"openssl"',
}
SMALL = [
    "--sizes",
    "1000",
    "--concurrency",
    "2",
    "--requests",
    "8",
    "--connections",
    "4",
    "--rounds",
    "2",
    "--warm-up",
    "2",
]

OF_EACH = 1 + 2 * (2 + 2 + 4)  # one to try it; in each round the requests', and those that are measured and warmed up

pytestmark = pytest.mark.agents(node_a=RULES, node_b=RULES)


@contextmanager
def serving(node: Node) -> Iterator[None]:
    """'bench serve' on that node."""
    words = ["on", node.name, "tlshub-capture", "bench", "serve", node.ipv4, "--port", str(PORT), "--workers", "2"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline().startswith("serving on")
        try:
            yield
        finally:
            process.terminate()


def default(node: Node) -> list[str]:
    """The provider of new connections there."""
    return [one["name"] for one in tell(node, "provider")["providers"] if one["default"]]


def test_each_provider_between_two_nodes(node_a: Node, node_b: Node, wire: Wire, marker: bytes, tmp_path: Path) -> None:
    """Payload is random, so nobody sends the marker: it is the bytes outside records that tell."""
    file, names = tmp_path / "a.json", ["plain", "userspace-tls", "ktls:boringssl", "ktls:openssl"]
    sockets = ["--socket", str(socket_of(node_a)), "--other-socket", str(socket_of(node_b))]
    words = ["--target", node_b.ipv4, "--port", str(PORT), "--variants", ",".join(names), "--json", str(file)]
    with serving(node_b):
        node_a.run(["tlshub-capture", "bench", *words, *sockets, *SMALL], timeout=600)
    found = files.load(file)
    assert [one.name for one in found.variants] == names and not found.skipped
    assert len(found.trials) == len(names) * 2 * 2 and same_machine(found, found)
    assert default(node_a) == default(node_b) == ["openssl"]
    wire.secured(marker, PORT + 1)
    clear, _ = wire.judge(marker, PORT)
    assert all(min(one.clear) > 0 for one in clear.findings) and clear.findings
    by = Counter(event["provider"] for event in node_a.await_events("Secured", 2 * OF_EACH))
    assert by == {"boringssl": OF_EACH, "openssl": OF_EACH}


def test_both_ends_on_one_node(node_a: Node, node_b: Node, tmp_path: Path) -> None:
    file, sockets = tmp_path / "a.json", ["--socket", str(socket_of(node_a))]
    words = ["--port", str(LOCAL), "--variants", "ktls:local,ktls:openssl", "--json", str(file)]
    node_a.run(["tlshub-capture", "bench", *words, *sockets, *SMALL], timeout=600)
    found = files.load(file)
    assert [one.name for one in found.variants] == ["plain", "ktls:local"], found.skipped
    assert list(found.skipped) == ["ktls:openssl"]
    assert {event["provider"] for event in node_a.events("Secured")} == {"local"}
