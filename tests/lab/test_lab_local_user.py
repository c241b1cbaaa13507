# SPDX-License-Identifier: Apache-2.0
"""A local user without privilege on a node with connections reads nothing, changes nothing, writes no log."""

from __future__ import annotations

import ctypes
import time
import tomllib
from functools import partial
from ipaddress import ip_address
from pathlib import Path

from tests.lab.kit.chat import Chat
from tests.lab.kit.control import socket_of, tell
from tests.lab.kit.job import Say
from tests.lab.kit.node import Node
from tests.lab.kit.place import enter_network
from tests.lab.kit.ports import IPV4, Ports
from tests.lab.kit.talk import dial, payload, receives_first, sends_first, serve
from tests.lab.kit.wire import Wire
from tests.memory import unlocked
from tests.stranger import Attempt, got_through, on_file, on_process, on_programs, on_socket
from tlshub_core.pipeline import sockdiag
from tlshub_core.privileges import RUNNING, excess
from tlshub_core.types.flow import Side, Tuple4

EVIL = b"a\nERROR \x1b[2J\xff"  # what a process may call itself, in 15 bytes
PR_SET_NAME, PATIENCE_S = 15, 60.0


def processes(node: Node) -> list[int]:
    """The agent's, and all that it started: they are in the node's cgroup and of this program."""
    pids = map(int, Path(f"/sys/fs/cgroup/{node.name}/cgroup.procs").read_text().split())
    words = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids}
    found = [pid for pid, said in words.items() if b"tlshub" in said and b"python" in said.split(b"\0")[0]]
    assert node.agent.pid in found and len(found) >= 3, "an agent and two sinks"
    return found


def on_agent(node: Node) -> list[Attempt]:
    """What there is of an agent."""
    config, folder = tomllib.loads(node.agent.configuration.read_text()), node.agent.configuration.parent
    attempts = [attempt for pid in processes(node) for attempt in on_process(pid)]
    secret = [folder / name for name in ("keys.jsonl", "events.jsonl", "connections.log", "control.sock.lock")]
    for path in [*secret, Path(config["peering"]["key"])]:
        attempts += on_file(path, secret=True)
    for path in (node.agent.configuration, Path(config["peering"]["ca"]), socket_of(node)):
        attempts += on_file(path, secret=False)
    pins = [pin for pin in Path(config["capture"]["pins"]).rglob("*") if not pin.is_dir()]
    assert len(pins) > 20, "no programs are pinned"
    return [*attempts, *on_socket(socket_of(node)), *on_programs(pins)]


def destroyed(client: str, server: str) -> Attempt:
    """Resetting a connection of node-a."""
    (here, port), (there, service) = (end.split(":") for end in (client, server))
    ends = Tuple4(client=ip_address(here), client_port=int(port), server=ip_address(there), server_port=int(service))
    return "SOCK_DESTROY", partial(sockdiag.destroy, (1 << 64) - 1, ends, Side.CLIENT)


def test_a_stranger_gets_nothing(node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes) -> None:
    port = ports.require()
    chat = Chat(node_a, node_b, port, marker)
    (mine,) = tell(node_a, "flows", "--state", "open")["flows"]
    attempts = [*on_agent(node_a), *on_process(mine["pid"]), destroyed(mine["client"], mine["server"])]
    assert got_through(attempts, partial(enter_network, "/run/netns/node-a")) == []
    chat.end()
    wire.secured(marker, port, flows=1)


def test_what_takes_an_agent_over_gets_what_it_kept(node_a: Node) -> None:
    for pid in processes(node_a):
        process = Path(f"/proc/{pid}")
        kept = () if (process / "comm").read_text().startswith("sink-") else RUNNING
        deadline = time.monotonic() + PATIENCE_S
        while excess(kept, process):  # a guard may still be starting
            assert pid != node_a.agent.pid and time.monotonic() < deadline, (process / "status").read_text()
            time.sleep(0.1)
        assert "NoNewPrivs:\t1" in (process / "status").read_text()


def test_pages_that_may_hold_keys_are_locked(node_a: Node, node_b: Node) -> None:
    for node in (node_a, node_b):
        assert unlocked(node.agent.pid) == []


def dial_as(_say: Say, name: bytes, port: int, content: bytes) -> bytes:
    ctypes.CDLL(None).prctl(PR_SET_NAME, name, 0, 0, 0)
    return dial(_say, IPV4, port, sends_first, content)


def test_a_name_writes_no_lines(node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes) -> None:
    port, content = ports.require(), payload(marker)
    server = node_b.start(partial(serve, way=IPV4, port=port, talk=receives_first, content=content))
    assert server.heard() == "listening"
    client = node_a.start(partial(dial_as, name=EVIL, port=port, content=content))
    assert client.result() == server.result() == content
    wire.secured(marker, port, flows=1)
    (said,) = node_a.await_events("Secured", 1)
    assert said["comm"] == EVIL.decode(errors="replace")
    connections = node_a.agent.configuration.with_name("connections.log")
    shown = r"a\nERROR \x1b[2J" + "\ufffd"
    deadline = time.monotonic() + PATIENCE_S
    while f"({shown})" not in (text := connections.read_text()):
        assert time.monotonic() < deadline, text[-2000:]
        time.sleep(0.1)
    for log in (text, node_a.agent.log):
        assert "\x1b" not in log and not [line for line in log.splitlines() if line.startswith("ERROR \\x1b")]
