# SPDX-License-Identifier: Apache-2.0
"""Applications in containers: other process numbers, another user, another root, another network; secured like any."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import TypeVar

import pytest

from tests.lab.kit.chat import Flag
from tests.lab.kit.container import CONTAINER, NEWNET, contained
from tests.lab.kit.control import tell
from tests.lab.kit.hold import stopped
from tests.lab.kit.job import Job, Say
from tests.lab.kit.node import Node
from tests.lab.kit.ports import IPV4, Ports
from tests.lab.kit.talk import converse, dial, payload, receives_first, sends_first, serve
from tests.lab.kit.trial import try_all
from tests.lab.kit.wire import Wire
from tests.lab.test_lab_outage import HANDSHAKE_S, SHORT
from tests.lab.test_lab_world_files import MAPPING, kept
from tests.lab.test_lab_world_files import replace as put

INSIDE, OUTSIDE = "10.77.9.2", "10.77.9.1"
AT_MOST_S = HANDSHAKE_S + 12
T = TypeVar("T")
TO_CONTAINER = replace(IPV4, name="container", listen_host=INSIDE, host=INSIDE)


def started(node: Node, function: Callable[[Say], T], flags: int, go: Flag | None = None) -> tuple[Job[T], int]:
    """A job in a container, and its process as the agent sees it."""
    job = node.start(lambda say: contained(say, function, flags, go))
    pid = job.heard()
    assert isinstance(pid, int)
    return job, pid


@pytest.mark.parametrize("flags", [CONTAINER, 0], ids=["namespaces", "chroot"])
def test_both_ends_in_containers(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, flags: int
) -> None:
    port, content = ports.require(), payload(marker)
    server, its_pid = started(node_b, partial(serve, way=IPV4, port=port, talk=sends_first, content=content), flags)
    assert server.heard() == "listening"
    client, pid = started(node_a, partial(dial, way=IPV4, port=port, talk=receives_first, content=content), flags)
    assert client.result() == server.result() == content
    for node, wanted in ((node_a, pid), (node_b, its_pid)):
        (secured,) = node.await_events("Secured", 1)
        assert secured["pid"] == wanted
    wire.secured(marker, port, flows=1)


@contextmanager
def routed(node_a: Node, node_b: Node, whose: str = "node-a 10.77.0.1,fd77::1") -> Iterator[None]:
    """The container's network is behind node-a, and known to the mapping as a pod of that node."""
    with kept(MAPPING):
        put(MAPPING, MAPPING.read_bytes() + f"in-a-box {whose} {INSIDE}\n".encode())
        node_a.run(["sysctl", "-qw", "net.ipv4.ip_forward=1"])
        node_b.run(["ip", "route", "add", f"{INSIDE}/32", "via", node_a.ipv4])
        try:
            for node in (node_a, node_b):
                tell(node, "reload")
            yield
        finally:
            node_b.run(["ip", "route", "del", f"{INSIDE}/32"])
            with suppress(subprocess.CalledProcessError):  # it goes with its other end, in its own time
                node_a.run(["ip", "link", "del", "box"])
    for node in (node_a, node_b):
        tell(node, "reload")


def connect_network(node: Node, pid: int) -> None:
    """A veth link from the node to that process's network namespace; it goes with that."""
    node.run(["ip", "link", "add", "box", "type", "veth", "peer", "name", "eth0", "netns", str(pid)])
    node.run(["ip", "addr", "add", f"{OUTSIDE}/30", "dev", "box"])
    node.run(["ip", "link", "set", "box", "up"])
    inside = ["nsenter", f"--net=/proc/{pid}/ns/net", "ip"]
    for words in (
        ["link", "set", "lo", "up"],
        ["addr", "add", f"{INSIDE}/30", "dev", "eth0"],
        ["link", "set", "eth0", "up"],
        ["route", "add", "default", "via", OUTSIDE],
    ):
        subprocess.run([*inside, *words], check=True)


def box(node: Node, function: Callable[[Say], T]) -> tuple[Job[T], int]:
    """The same, with a network of its own."""
    go = Flag()
    job, pid = started(node, function, CONTAINER | NEWNET, go)
    connect_network(node, pid)
    go.set()
    return job, pid


def test_a_client_with_a_network_of_its_own(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    port, content = ports.require(), payload(marker)
    with routed(node_a, node_b):
        server = node_b.start(partial(serve, way=IPV4, port=port, talk=sends_first, content=content))
        assert server.heard() == "listening"
        client, pid = box(node_a, partial(dial, way=IPV4, port=port, talk=receives_first, content=content))
        assert client.result() == server.result() == content
    (secured,) = node_a.await_events("Secured", 1)
    assert secured["pid"] == pid and str(secured["client"]).startswith(f"{INSIDE}:"), secured
    wire.secured(marker, port, flows=1)


def test_a_server_with_a_network_of_its_own(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    port, content, way = ports.require(), payload(marker), TO_CONTAINER
    with routed(node_a, node_b):
        server, pid = box(node_a, partial(serve, way=way, port=port, talk=sends_first, content=content))
        assert server.heard() == "listening"
        client = node_b.start(partial(dial, way=way, port=port, talk=receives_first, content=content))
        assert client.result() == server.result() == content
    (secured,) = node_a.await_events("Secured", 1)
    assert secured["pid"] == pid
    wire.secured(marker, port, flows=1)


@pytest.mark.agents(node_a=SHORT, node_b=SHORT)
def test_a_client_with_a_network_of_its_own_is_refused_in_time(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    """The agent cannot destroy a socket of another network by name, and has its descriptor."""
    secret, content = (ports.require(), ports.prefer()), payload(marker)
    with routed(node_a, node_b):
        first = ports.require()
        converse(node_a, node_b, IPV4, first, sends_first, receives_first, content).check()
        with stopped(node_b):
            client, _ = box(node_a, partial(try_all, way=IPV4, ports=secret, content=content))
            tried = client.result()
    assert all(one.error and not one.got and one.seconds < AT_MOST_S for one in tried.values()), tried
    wire.silent(marker, *secret)
