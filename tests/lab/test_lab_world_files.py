# SPDX-License-Identifier: Apache-2.0
"""Files that an agent lives by, harmed or replaced while it runs: the mapping, and its own certificate."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lab.kit.chat import Chat
from tests.lab.kit.control import tell
from tests.lab.kit.node import Node
from tests.lab.kit.ports import IPV4, Ports
from tests.lab.kit.remains import nothing_left
from tests.lab.kit.stress import times
from tests.lab.kit.talk import converse, payload, receives_first, sends_first
from tests.lab.kit.trial import Record, trial
from tests.lab.kit.weather import PEERING
from tests.lab.kit.wire import Wire
from tests.lab.test_lab_certificates import NODE_B
from tests.lab.test_lab_outage import HANDSHAKE_S, SHORT
from tlshub_core.peering.authority import Authority

MAPPING = Path(os.environ.get("LAB_NODES", "/run")) / "pod_node_mapping.conf"
PKI = Path(os.environ.get("LAB_PKI", "/run"))
SHORT_LIVED_S = 12
pytestmark = pytest.mark.agents(node_a=SHORT, node_b=SHORT)


@contextmanager
def kept(*paths: Path) -> Iterator[None]:
    """These files are in the end as they were."""
    before = {path: path.read_bytes() for path in paths}
    try:
        yield
    finally:
        for path, data in before.items():
            replace(path, data)


def replace(path: Path, data: bytes) -> None:
    """Another file takes its place, at once."""
    fresh = path.with_suffix(".fresh")
    fresh.touch(0o600)
    fresh.write_bytes(data)
    fresh.rename(path)


def test_a_mapping_file_that_is_harmed_changes_nothing(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, record_property: Record
) -> None:
    content, text, count = payload(marker, 4000), MAPPING.read_text(), times(1, 20)
    harmed = (b"", text.encode()[:-30], b"# nothing\n", b"\xff\xfe", b"one\n")
    secret = [ports.require(), ports.prefer()]
    with kept(MAPPING):
        for _ in range(count):
            for data in harmed:
                MAPPING.write_bytes(data)
                for node in (node_a, node_b):
                    assert tell(node, "reload", status=1)["error"]["file"] == str(MAPPING)
            MAPPING.unlink()
            assert "cannot be read" in tell(node_a, "reload", status=1)["error"]["message"]
            replace(MAPPING, text.encode())
            for port in secret:
                converse(node_a, node_b, IPV4, port, sends_first, receives_first, content).check()
    for node in (node_a, node_b):
        assert tell(node, "reload")["rows"] > 0
    wire.secured(marker, *secret)
    record_property("times", (len(harmed) + 1) * count)


def certify(seconds: float) -> None:
    """A new certificate and key for node-b, which are good for so long."""
    ours = Authority.load(PKI / "ca.pem", PKI / "ca-key.pem")
    cert, key = ours.issue("node-b", [NODE_B], seconds / 86_400)
    replace(PKI / "node-b-key.pem", key)
    replace(PKI / "node-b.pem", cert)


def end_sessions(node: Node) -> None:
    """The connections between the agents break."""
    node.run(["ss", "-K", "-t", f"( dport = :{PEERING} or sport = :{PEERING} )"])


def test_a_certificate_is_renewed(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, record_property: Record
) -> None:
    """No agent is restarted, and what is secured goes on."""
    content, running, warm, count = payload(marker, 4000), ports.require(), ports.require(), times(1, 20)
    chat = Chat(node_a, node_b, running, marker)
    with kept(PKI / "node-b.pem", PKI / "node-b-key.pem"), nothing_left(node_a, node_b):
        for _ in range(count):
            certify(3600)
            end_sessions(node_a)
            converse(node_a, node_b, IPV4, warm, sends_first, receives_first, content).check()
        chat.end()
    assert node_b.agent.log.count("expires at") >= count, "it read each of them, and warned of it"
    wire.secured(marker, running, warm)
    record_property("times", count)


@pytest.mark.skipif(not times(0, 1), reason="'make stress' runs it: it waits for a certificate to expire")
def test_a_certificate_expires(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, record_property: Record
) -> None:
    """What is secured and the session go on; who begins a session then is refused, and who has expired is named."""
    content, running, warm, count = payload(marker, 4000), ports.require(), ports.require(), times(1, 3)
    require, prefer = ports.require(), ports.prefer()
    chat = Chat(node_a, node_b, running, marker)
    with kept(PKI / "node-b.pem", PKI / "node-b-key.pem"), nothing_left(node_a, node_b):
        for _ in range(count):
            _until_expired(node_a, node_b, warm, content)
            end_sessions(node_a)
            found = trial(node_a, node_b, IPV4, (require, prefer), content)
            found.failed(require, at_most=HANDSHAKE_S + 6)
            assert found.good(prefer), "the same at both ends: in clear, as its rule allows"
            certify(3600)
            _await_service(node_a, node_b, warm, content)
        chat.end()
    wire.silent(marker, require)
    wire.secured(marker, running, warm)
    wire.clear(marker, prefer)
    down = [str(event["detail"]) for event in node_a.events("SessionDown") if event["reason"] == "peer-unverified"]
    assert down and all("it has expired, renew it" in one for one in down), node_a.events("SessionDown")
    record_property("times", count)


def _until_expired(node_a: Node, node_b: Node, port: int, content: bytes) -> None:
    """A session with a certificate that expires, and a connection that is secured by it then."""
    certify(SHORT_LIVED_S)
    born = time.monotonic()
    end_sessions(node_a)
    converse(node_a, node_b, IPV4, port, sends_first, receives_first, content).check()
    time.sleep(max(0.0, born + SHORT_LIVED_S + 1 - time.monotonic()))
    converse(node_a, node_b, IPV4, port, sends_first, receives_first, content).check()


def _await_service(node_a: Node, node_b: Node, port: int, content: bytes) -> None:
    """Until a connection is secured again: a back-off ends."""
    deadline = time.monotonic() + 30
    while not trial(node_a, node_b, IPV4, (port,), content).good(port):
        assert time.monotonic() < deadline, "no connection is secured any more"
