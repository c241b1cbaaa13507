# SPDX-License-Identifier: Apache-2.0
"""Keys of connections, known by the debug key log, are searched for in all that an agent says and leaves behind."""

from __future__ import annotations

import base64
import os
import resource
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.kit.chat import Chat
from tests.lab.kit.control import tell
from tests.lab.kit.node import Node
from tests.lab.kit.ports import Ports
from tests.lab.kit.wire import Wire
from tests.lab.test_lab_local_user import processes
from tests.memory import holding
from tlshub_core.verifying.keys import FlowKey, load

SHOWN = ("cmdline", "environ", "comm", "status", "maps", "limits")
CORES = Path("/tmp/lab-core.%p")


def forms(secret: bytes) -> set[bytes]:
    """As bytes, in hex, in base64 at each of the three places where it may begin, and as Python and JSON print it."""
    text = {secret.hex(), repr(secret)[2:-1], repr(list(secret))[1:-1], ",".join(map(str, secret))}
    for before in range(3):
        whole = base64.b64encode(bytes(before) + secret).decode()
        text.add(whole[(8 * before + 5) // 6 : (8 * (before + len(secret))) // 6])
    known = {one.encode() for one in text}
    urls = {one.translate(bytes.maketrans(b"+/", b"-_")) for one in known}
    return {secret, *known, *urls, *(one.upper() for one in known if one == secret.hex().encode())}


def secrets(node: Node, port: int) -> set[bytes]:
    """The keys of this node's latest connection with that port, which other tests had, too."""
    flows: list[FlowKey] = [flow for flow in load(node.keys) if flow.server.endswith(f":{port}")]
    return {direction.key for flow in flows[-1:] for direction in flow.directions}


def said(node: Node) -> Iterator[tuple[str, bytes]]:
    """All that the agent has written, but the key log itself; what it answers; what the kernel shows of it."""
    folder = node.agent.configuration.parent
    for path in folder.rglob("*"):
        if path.is_file() and path != node.keys:
            yield str(path), path.read_bytes()
    for words in (("status",), ("flows", "--all"), ("rules",), ("provider",)):
        yield f"ctl {words[0]}", str(tell(node, *words)).encode()
    for pid in processes(node):
        yield from ((f"/proc/{pid}/{name}", Path(f"/proc/{pid}/{name}").read_bytes()) for name in SHOWN)


@pytest.mark.agents(node_a={"debug.log_level": '"debug"'}, node_b={"debug.log_level": '"debug"'})
def test_no_key_is_in_anything_an_agent_says(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    port = ports.require()
    chat = Chat(node_a, node_b, port, marker)
    keys = secrets(node_a, port)
    assert len(keys) == 2 and keys == secrets(node_b, port)
    wanted = {form for key in keys for form in forms(key)}
    for node in (node_a, node_b):
        assert [key for key in keys if key.hex().encode() in node.keys.read_bytes()], "the search finds nothing"
        places = list(said(node))
        assert len(places) > 25
        assert [name for name, content in places if any(form in content for form in wanted)] == []
    chat.end()
    wire.opened(marker, port, keys=node_a.keys)


def test_a_key_that_is_installed_is_in_no_agents_memory(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    port = ports.require()
    chat = Chat(node_a, node_b, port, marker)
    keys = secrets(node_a, port)
    assert len(keys) == 2
    assert set(holding(os.getpid(), keys)) == keys, "the search finds nothing"
    for node in (node_a, node_b):
        assert [list(holding(pid, keys)) for pid in processes(node)] == [[]] * len(processes(node))
    chat.end()
    wire.secured(marker, port, flows=1)


@pytest.fixture
def cores() -> Iterator[None]:
    """Core files go where the test looks for them."""
    pattern = Path("/proc/sys/kernel/core_pattern")
    before = pattern.read_text()
    pattern.write_text(str(CORES))
    yield
    pattern.write_text(before)


def core(pid: int) -> bytes | None:
    """What a process that was aborted has left."""
    path = Path(str(CORES).replace("%p", str(pid)))
    return path.read_bytes() if path.exists() else None


def test_an_agent_that_is_aborted_leaves_no_core(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, cores: None
) -> None:
    port = ports.require()
    chat = Chat(node_a, node_b, port, marker)
    key = next(iter(secrets(node_a, port)))
    control = subprocess.Popen(["sh", "-c", "ulimit -c unlimited; kill -ABRT $$", key.hex()])
    control.wait()
    assert key.hex().encode() in (core(control.pid) or b""), "this kernel writes no core files: the test shows nothing"
    pid = node_b.agent.pid
    resource.prlimit(pid, resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    node_b.agent.signal(signal.SIGABRT)
    assert node_b.agent.ended() in (-signal.SIGABRT, None)
    assert core(pid) is None
    chat.end()
    wire.secured(marker, port, flows=1)
