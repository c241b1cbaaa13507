# SPDX-License-Identifier: Apache-2.0
"""'verify' beside real agents: what is secured it calls encrypted, and what is in clear it finds, and says why."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.lab.kit.node import Node
from tests.lab.kit.ports import IPV4, Ports
from tests.lab.kit.program import need, serving
from tests.lab.kit.slow import ONE_SIDED
from tests.lab.kit.talk import converse, payload, receives_first, sends_first
from tests.lab.kit.web import curl, nginx, site
from tests.lab.kit.wire import Wire

PORT = ONE_SIDED[0]
PREFERRED = f'[[rule]]\nname = "one-sided"\nmatch = {{ ports = [{PORT}] }}\nmode = "prefer"\n'
HEAD = '[keys]\nprovider = "openssl"\n[peering]\nnode = "node-a"\nany_node = true\n'
SECONDS = "300"  # of a machine on which a test has not failed yet
pytestmark = pytest.mark.agents(node_a={"rules": PREFERRED})


class Verifying:
    """'verify' on the link, in node-a."""

    def __init__(self, node: Node, words: Sequence[object]) -> None:
        command = ["on", node.name, "tlshub-capture", "verify", *map(str, words), "--json", "-i", node.name]
        self.process = subprocess.Popen(
            [*command, "--seconds", SECONDS], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert self.process.stderr is not None
        said = b""
        while b"capturing on" not in said:
            line = self.process.stderr.readline()
            assert line, f"'verify' ended: {said.decode()}"
            said += line

    def verdict(self) -> tuple[int, dict[str, Any]]:
        """The exit status, and the document."""
        out, _ = self.process.communicate(timeout=float(SECONDS))
        return self.process.returncode, json.loads(out)


@contextmanager
def verifying(node: Node, *words: object) -> Iterator[Verifying]:
    running = Verifying(node, words)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.communicate()


def test_a_connection_of_nginx_and_curl_is_encrypted_and_opens_with_its_keys(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, tmp_path: Path
) -> None:
    need("nginx", "nginx-light")
    need("curl", "curl")
    port, content, clear = ports.require(), payload(marker, 200_000), tmp_path / "clear.pcap"
    words = ("--ports", port, "--count", 1, "--keys", node_a.keys, "--clear", clear)
    with (
        serving(node_b, nginx(site(tmp_path / "b", content), f"{port}"), port, log=tmp_path / "log"),
        verifying(node_a, *words) as running,
    ):
        assert curl(node_a, f"http://{node_b.ipv4}:{port}/file") == content
        status, document = running.verdict()
    (found,) = document["findings"]
    assert (status, document["answer"], found["outcome"]) == (0, "encrypted", "encrypted"), document
    records = found["client_sent"]["records"] + found["server_sent"]["records"]
    assert document["keys"] == {"opened": records, "failed": 0, "foreign": 0} and records > 1
    assert b"GET /file HTTP/1.1" in clear.read_bytes() and marker in clear.read_bytes()
    wire.secured(marker, port, flows=1)


def test_a_connection_that_was_released_is_in_clear_from_its_first_byte_and_the_agent_says_why(
    node_a: Node, node_b: Node, wire: Wire, marker: bytes, tmp_path: Path
) -> None:
    (tmp_path / "rules.toml").write_text(HEAD + PREFERRED)
    content, events = payload(marker, 20_000), node_a.agent.configuration.with_name("events.jsonl")
    words = (tmp_path / "rules.toml", "--rule", "one-sided", "--events", events)
    with verifying(node_a, *words) as running:
        converse(node_a, node_b, IPV4, PORT, sends_first, receives_first, content).check()
        node_a.await_events("ReleasedClear", 1)
        running.process.send_signal(signal.SIGINT)
        status, document = running.verdict()
    (found,) = document["findings"]
    assert (status, document["answer"], found["rule"]) == (1, "clear", "one-sided"), document
    for way in ("client_sent", "server_sent"):
        assert found[way]["ranges"] == [[0, len(content)]], found
    assert "the agent released it in clear: no-rule" in found["why"], found
    wire.clear(marker, PORT)


def test_what_a_bypass_leaves_in_clear_is_found(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    port, content = ports.bypass(), payload(marker, 20_000)
    with verifying(node_a, "--ports", port, "--count", 1) as running:
        converse(node_a, node_b, IPV4, port, sends_first, receives_first, content).check()
        status, document = running.verdict()
    assert (status, document["answer"], document["findings"][0]["client_sent"]["ranges"][0][0]) == (1, "clear", 0)
    wire.clear(marker, port)
