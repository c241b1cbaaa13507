# SPDX-License-Identifier: Apache-2.0
"""What the doctor says of the agent that runs here, and of those of the other nodes."""

from __future__ import annotations

import socket
from dataclasses import replace
from ipaddress import IPv4Address, ip_address
from pathlib import Path

import pytest

from tests.unit.control.serving import serving
from tlshub_core.api import Level, Node, Pod
from tlshub_core.config import load
from tlshub_core.control.answers import BypassAnswer, StatusAnswer, Totals
from tlshub_core.control.binding import Caller
from tlshub_core.control.conversation import Send
from tlshub_core.control.requests import Request
from tlshub_core.doctor import examine, peers, running

OK, WARNING = Level.OK, Level.WARNING
NONE = Totals(
    secured=1, released_clear=0, refused=0, unattended_clear=0, unattended_refused=0, lost_in_kernel=0, lost_in_sinks=0
)
WELL = StatusAnswer(
    release="1", pid=7, uptime_s=1, node="node-a", configuration="c", backend="b", programs=(), providers=(), rules=1,
    rows=1, mapping=1, sessions=(), flows={}, totals=NONE, bypass=BypassAnswer(on=False, left_s=None), notices=(),
)  # fmt: skip


def _status(folder: Path, answer: StatusAnswer) -> tuple[Level, str, str]:
    async def handle(request: Request, caller: Caller, send: Send) -> StatusAnswer:
        return answer

    with serving(folder / "control.sock", handle):
        found = running.status(folder / "control.sock", folder / "pins")
    return found.level, found.message, found.remedy


def test_an_agent_that_is_well(tmp_path: Path) -> None:
    assert _status(tmp_path, WELL) == (OK, "process 7 captures with backend 'b', 0 sessions", "")


@pytest.mark.parametrize(
    ("answer", "message", "remedy"),
    [
        (replace(WELL, bypass=BypassAnswer(on=True, left_s=9)), "NOT encrypted", "ctl bypass off"),
        (replace(WELL, totals=replace(NONE, unattended_clear=3)), "3 connections went in clear", "While no agent runs"),
        (replace(WELL, totals=replace(NONE, lost_in_kernel=4)), "4 kernel events were lost", "processor time"),
        (replace(WELL, totals=replace(NONE, lost_in_sinks=5)), "5 events did not reach a sink", "log"),
    ],
)
def test_one_that_has_something_to_say(tmp_path: Path, answer: StatusAnswer, message: str, remedy: str) -> None:
    found = _status(tmp_path, answer)
    assert found[0] is WARNING and message in found[1] and remedy in found[2]


def test_none_and_what_one_left(tmp_path: Path) -> None:
    socket_, pins = tmp_path / "control.sock", tmp_path / "pins"
    assert running.status(socket_, pins).level is OK
    (pins / "links").mkdir(parents=True)
    assert running.status(socket_, pins).level is OK
    (pins / "links" / "gate").touch()
    found = running.status(socket_, pins)
    assert found.level is WARNING and "tlshub-capture detach" in found.remedy


def test_one_that_was_killed(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "control.sock"))
    found = running.status(tmp_path / "control.sock", tmp_path)
    assert found.level is WARNING and "no agent is running" in found.message


def _pod(node: str, address: str | None) -> Pod:
    where = ip_address(address) if address else None
    return Pod(name=f"pod-of-{node}", node=Node(name=node, address=where), address=None)


def test_this_node_in_the_mapping() -> None:
    pods = [_pod(node, None) for node in ("node-a", "node-b")]
    assert peers.this_node(pods, "node-b").level is OK
    found = peers.this_node(pods, "node-c")
    assert found.level is WARNING and "'node-c', but such of 'node-a', 'node-b'" in found.message
    many = [_pod(f"node-{number}", None) for number in range(9)]
    assert peers.this_node(many, "other").message.endswith("'node-4' and others")


def test_other_nodes_only_are_dialled() -> None:
    pods = [_pod("node-a", "127.0.0.1"), _pod("node-b", "127.0.0.2"), _pod("node-c", None)]
    assert peers.addresses(pods, "node-a") == {"node-b": IPv4Address("127.0.0.2")}
    assert peers.peers({}, 1).level is OK


def test_who_listens_and_who_does_not() -> None:
    with socket.create_server(("127.0.0.2", 0)) as server:
        port = server.getsockname()[1]
        nodes = {"node-b": IPv4Address("127.0.0.2")}
        assert peers.peers(nodes, port).message == f"1 of 1 other nodes were dialled, and listen on port {port}"
        found = peers.peers({**nodes, "node-c": IPv4Address("127.0.0.3")}, port)
    assert found.level is WARNING and f"let TCP port {port} through" in found.remedy
    assert "1 of 2 do not listen" in found.message and "'node-c' at 127.0.0.3 (" in found.message


def test_as_part_of_the_whole(config: Path, tmp_path: Path) -> None:
    (tmp_path / "map").write_text("web node-a 127.0.0.1 10.0.0.1\n")
    config.write_text(config.read_text() + f'[control]\nsocket = "{tmp_path}/control.sock"\n')
    found = {(check.area, check.name): check.probe.level for check in examine(config)}
    assert found["mapping", "this-node"] is found["peering", "peers"] is found["agent", "status"] is OK
    config.write_text(config.read_text().replace('"map"', '"gone"'))
    assert peers.checks(load(config)) == []
