# SPDX-License-Identifier: Apache-2.0
"""'ctl' against agents that have connections: what it shows, and that what it changes disturbs none of them."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from tests.lab.kit.chat import Chat, Flag
from tests.lab.kit.control import socket_of, tell
from tests.lab.kit.job import Job, Say
from tests.lab.kit.node import Node
from tests.lab.kit.ports import IPV4, Ports, Way
from tests.lab.kit.talk import accept, converse, dial, listener, payload, receives_first, sends_first
from tests.lab.kit.wire import Wire
from tests.lab.test_lab_local import OWN
from tests.lab.test_lab_outage import attempt
from tests.lab.test_lab_trusting import serve_when_told

NOBODY = 65534


def test_what_it_shows_is_what_is_there(node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes) -> None:
    port = ports.require()
    chat = Chat(node_a, node_b, port, marker)
    (mine,) = tell(node_a, "flows", "--state", "open")["flows"]
    (said,) = [event for event in node_a.await_events("Secured", 1) if event["flow"] == mine["id"]]
    for field in ("side", "client", "server", "pid", "comm", "provider", "cipher"):
        assert mine[field] == said[field], field
    assert (mine["mode"], mine["peer"], mine["rule"]) == ("require", "node-b", "7001-7049:require")
    assert mine["hold_ms"] == int(str(said["hold_ns"])) // 1_000_000 and mine["age_ms"] > 0
    (other,) = [flow for flow in tell(node_b, "flows", "--all")["flows"] if flow["client"] == mine["client"]]
    assert (other["side"], other["state"], other["peer"]) == ("server", "open", "node-a")
    for node, peer, dialler in ((node_a, "node-b", True), (node_b, "node-a", False)):
        status = tell(node, "status")
        assert (status["node"], status["pid"], status["bypass"]["on"]) == (node.name, node.agent.pid, False)
        assert any((one["node"], one["dialler"], one["flows"]) == (peer, dialler, 1) for one in status["sessions"])
        assert status["flows"]["open"] == 1 and status["totals"]["secured"] >= 1
        assert any("keys are written to" in notice for notice in status["notices"])
        assert [one["default"] for one in tell(node, "provider")["providers"]] == [True]
    modes = {row["ports"]: row["mode"] for row in tell(node_a, "rules")["rules"]}
    assert (modes["7001-7049"], modes["7081-7089"]) == ("require", "bypass")
    chat.end()
    node_a.await_closed(1)
    assert not [flow for flow in tell(node_a, "flows")["flows"] if flow["id"] == mine["id"]]
    wire.secured(marker, port, flows=1)


def test_as_a_command_of_its_own(node_a: Node) -> None:
    words = ["tlshub-capture", "ctl", "--config", str(node_a.agent.configuration), "status"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done
    assert f"process {node_a.agent.pid}, node 'node-a'" in done.stdout


class Late:
    """A connection that is under way: agreed on, and nobody has accepted it yet."""

    def __init__(self, node_a: Node, node_b: Node, port: int, content: bytes) -> None:
        self._content, self._go = content, Flag()
        server = partial(serve_when_told, way=IPV4, port=port, content=content, go=self._go, talk=receives_first)
        self._server: Job[bytes] = node_b.start(server)
        assert self._server.heard() == "listening"
        before = len(node_a.events("Connecting"))
        self._client: Job[bytes] = node_a.start(partial(dial, way=IPV4, port=port, talk=sends_first, content=content))
        node_a.await_events("Connecting", before + 1)

    def end(self) -> None:
        """It is accepted; assert that all bytes arrive."""
        self._go.set()
        assert self._client.result() == self._server.result() == self._content


@contextmanager
def bypassed(*nodes: Node) -> Iterator[None]:
    """These nodes leave new connections alone."""
    for node in nodes:
        assert tell(node, "bypass", "on", "--for", "30")["on"] is True
    try:
        yield
    finally:
        for node in nodes:
            assert tell(node, "bypass", "off") == {"version": 1, "on": False, "left_s": None}


def test_a_bypass_is_for_new_connections_and_ends(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    open_one, held, spared, after = (ports.require() for _ in range(4))
    content = payload(marker)
    chat = Chat(node_a, node_b, open_one, marker)
    late = Late(node_a, node_b, held, content)
    node_b.await_events("Connecting", 2)
    with bypassed(node_a, node_b):
        converse(node_a, node_b, IPV4, spared, sends_first, receives_first, content).check()
        assert tell(node_a, "reload")["bypass"]["on"] is True
        assert 1700 < tell(node_a, "status")["bypass"]["left_s"] <= 1800
        converse(node_a, node_b, IPV4, spared, receives_first, sends_first, content).check()
        late.end()
        assert tell(node_b, "flows", "--state", "clear")["total"] == 0
    converse(node_a, node_b, IPV4, after, sends_first, receives_first, content).check()
    chat.end()
    wire.secured(marker, open_one, held, after, flows=3)
    wire.clear(marker, spared)
    assert [event["on"] for event in node_a.await_events("Bypass", 2)] == [True, False]
    assert "BYPASS ON" in node_a.agent.log


def serve_crowded(say: Say, way: Way, port: int, content: bytes, go: Flag) -> list[bytes]:
    """Two connections, of which the queue has room for one until told: the other one's SYN is dropped meanwhile."""
    with listener(way, port, backlog=0) as door:
        say("listening")
        while not go.is_set():
            time.sleep(0.05)
        return [_received(door, content), _received(door, content)]


def _received(door: socket.socket, content: bytes) -> bytes:
    with accept(door) as sock:
        return receives_first(sock, content)


def _await_armed(node: Node) -> None:
    """Until a client of the node has its connection agreed upon, and not yet established."""
    deadline = time.monotonic() + 30
    while not any(flow["side"] == "client" for flow in tell(node, "flows", "--state", "armed")["flows"]):
        assert time.monotonic() < deadline, tell(node, "flows")
        time.sleep(0.1)


@pytest.mark.parametrize("way", [IPV4, OWN], ids=["to-the-other-node", "on-one-node"])
def test_what_was_agreed_before_a_bypass_is_kept(
    node_a: Node, node_b: Node, wire: Wire, loopback: Wire, ports: Ports, marker: bytes, way: Way
) -> None:
    """The accepting end begins in the bypass; the connecting one has its keys already."""
    loopback.begin()
    port, content, go = ports.require(), payload(marker), Flag()
    home, link = (node_a, loopback) if way is OWN else (node_b, wire)
    server = home.start(partial(serve_crowded, way=way, port=port, content=content, go=go))
    assert server.heard() == "listening"
    first = node_a.start(partial(dial, way=way, port=port, talk=sends_first, content=content))
    node_a.await_events("KeysReady", 1)
    second = node_a.start(partial(dial, way=way, port=port, talk=sends_first, content=content))
    node_a.await_events("Connecting", 3 if way is OWN else 2)
    _await_armed(node_a)
    with bypassed(node_a, node_b):
        go.set()
        assert [first.result(), second.result()] == [content, content] == server.result()
    link.secured(marker, port, flows=2)


def test_a_bypass_of_one_node_does_not_overrule_the_other(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    require, prefer = ports.require(), ports.prefer()
    with bypassed(node_b):
        assert attempt(node_a, node_b, IPV4, require, payload(marker))[0] is False
        assert attempt(node_a, node_b, IPV4, prefer, payload(marker))[0] is True
    wire.silent(marker, require)
    wire.clear(marker, prefer)


WRONG = [("[[rule]]\nmode = 1\n", "rule number 1"), ("no toml", "not valid TOML")]


@pytest.mark.parametrize(("broken", "where"), WRONG)
def test_a_broken_file_is_named_and_keeps_the_old_rules(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, broken: str, where: str
) -> None:
    port, before = ports.require(), tell(node_a, "rules")
    node_a.agent.configure({"rules": broken})
    failed = tell(node_a, "reload", status=1)["error"]
    node_a.agent.configure({})
    assert failed["file"] == str(node_a.agent.configuration) and where in failed["message"]
    assert tell(node_a, "rules") == before
    converse(node_a, node_b, IPV4, port, sends_first, receives_first, payload(marker)).check()
    wire.secured(marker, port, flows=1)
    assert tell(node_a, "reload")["rows"] == len(before["rules"])


def test_a_provider_that_cannot_serve_is_refused_and_the_old_one_stays(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    port, before = ports.require(), tell(node_a, "provider")
    assert "no plugin named 'agate' is installed" in tell(node_a, "provider", "agate", status=1)["error"]["message"]
    assert len(node_a.agent.complaints()) == 1
    node_a.agent.begin()
    assert tell(node_a, "provider") == before == tell(node_a, "provider", before["providers"][0]["name"])
    converse(node_a, node_b, IPV4, port, sends_first, receives_first, payload(marker)).check()
    wire.secured(marker, port, flows=1)


def test_another_user_is_refused(node_a: Node) -> None:
    path = socket_of(node_a)
    assert _as_nobody(str(path)) == "denied"
    path.chmod(0o666)
    try:
        assert "may not give orders to this agent: ask as root" in _as_nobody(str(path))
    finally:
        path.chmod(0o600)
    assert tell(node_a, "status")["pid"] == node_a.agent.pid


def _as_nobody(path: str) -> str:
    """What an unprivileged process gets for a request."""
    code = f"import socket; s = socket.socket(socket.AF_UNIX); s.connect({path!r}); print(s.recv(9999).decode())"
    words = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "/usr/bin/python3", "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    return "denied" if "PermissionError" in done.stderr else done.stdout
