# SPDX-License-Identifier: Apache-2.0
"""Lab tests run inside the lab (tests/lab/run): two nodes with an agent each, and the wire between as the oracle."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

_CHECKOUT = Path(__file__).parents[2]
sys.path[:0] = [str(_CHECKOUT), str(_CHECKOUT / "lab")]

from tests.lab.kit import reports  # noqa: E402
from tests.lab.kit.node import Node, both  # noqa: E402
from tests.lab.kit.pins import detach  # noqa: E402
from tests.lab.kit.ports import Ports  # noqa: E402
from tests.lab.kit.tlshub import Module, kernel_complaints  # noqa: E402
from tests.lab.kit.wire import Wire, captured  # noqa: E402

TABLE = "capture.table_size"
Changes = Mapping[str, Mapping[str, str]]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "agents(node_a={}, node_b={}): the agents' configuration, by its changes")
    if "LAB_NODES" not in os.environ:
        raise pytest.UsageError("these tests run inside the lab only: start them with 'tests/lab/run'")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that want the same configuration follow each other: an agent takes long to start on a slow machine."""
    marks = {item: item.get_closest_marker("agents") for item in items}
    groups = {
        item: (mark.kwargs["node_a"], mark.kwargs.get("node_b", {})) if mark else () for item, mark in marks.items()
    }
    items.sort(key=lambda item: str(groups[item]))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Why it failed, at once: a machine that dies later takes the summary with it."""
    reports.note(report)
    if report.failed:
        print(f"\n{report.longreprtext}", flush=True)


@pytest.fixture(autouse=True)
def turn(request: pytest.FixtureRequest) -> int:
    """Which time it is, of a test that is done more often than once (tests/lab/kit/stress.py)."""
    return int(getattr(request, "param", 0))


@pytest.fixture(scope="session")
def nodes() -> Iterator[dict[str, Node]]:
    """Both nodes; agents that the tests started are stopped at the end."""
    found = both()
    yield found
    for node in found.values():
        node.agent.stop()


@pytest.fixture(scope="session")
def link() -> Iterator[Wire]:
    """The capture of the link between the nodes."""
    with captured("node-a") as wire:
        yield wire


@pytest.fixture(scope="session")
def loopback() -> Iterator[Wire]:
    """The capture of node-a's loopback."""
    with captured("lo") as wire:
        yield wire


@pytest.fixture(scope="session")
def ports() -> Ports:
    """Ports by mode."""
    return Ports()


@pytest.fixture(scope="session")
def module(nodes: dict[str, Node]) -> Iterator[Module]:
    """What stands in for TLSHub's module, loaded; in the end it must go, and the kernel has no complaint."""
    before, module = kernel_complaints(), Module()
    module.load()
    yield module
    for node in nodes.values():
        node.agent.stop()
    module.unload()
    assert kernel_complaints() == before


@pytest.fixture(autouse=True)
def _agents(request: pytest.FixtureRequest, nodes: dict[str, Node]) -> None:
    """Agents run with the configuration that the test wants; they are started anew only where it is another."""
    mark = request.node.get_closest_marker("agents")
    wanted: Changes = {name: (mark.kwargs if mark else {}).get(name.replace("-", "_"), {}) for name in nodes}
    stale = [n for n in nodes.values() if not n.agent.running or n.agent.changes != wanted[n.name]]
    for node in stale:
        node.agent.stop()
        if TABLE in {*node.agent.changes, *wanted[node.name]}:
            detach(node)  # its size is that of its first agent
    for node in stale:
        node.agent.start(wanted[node.name])
    for node in stale:
        node.agent.ready()


@pytest.fixture
def node_a(nodes: dict[str, Node], _agents: None) -> Iterator[Node]:
    """The node of the clients."""
    nodes["node-a"].begin()
    yield nodes["node-a"]
    nodes["node-a"].end()


@pytest.fixture
def node_b(nodes: dict[str, Node], _agents: None) -> Iterator[Node]:
    """The node of the servers."""
    nodes["node-b"].begin()
    yield nodes["node-b"]
    nodes["node-b"].end()


@pytest.fixture
def wire(link: Wire) -> Wire:
    """The link, from now on."""
    link.begin()
    return link


@pytest.fixture
def marker() -> bytes:
    """32 bytes that nobody else sends."""
    return uuid.uuid4().hex.encode()
