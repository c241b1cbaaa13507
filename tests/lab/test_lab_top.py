# SPDX-License-Identifier: Apache-2.0
"""'top' on a terminal beside each of two agents, while connections begin, go on, are refused and end."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager

from tests.lab.kit.attempt import attempt
from tests.lab.kit.chat import Chat
from tests.lab.kit.control import socket_of, tell
from tests.lab.kit.node import Node
from tests.lab.kit.ports import IPV4, Ports
from tests.lab.kit.steady import Steady
from tests.lab.kit.talk import payload
from tests.lab.kit.wire import Wire
from tests.lab.test_lab_control import bypassed
from tests.unit.top.terminal import NOTHING, SCREEN_ON, Shown, shown

SINCE = r"since start +(\d+) began, (\d+) secured, (\d+) in clear, (\d+) refused"
PER_SECOND = r"per second +([\d.]+) began, ([\d.]+) secured, ([\d.]+) in clear, ([\d.]+) refused"
BUSY = r"per second +(?!0\.0)[\d.]+ began, (?!0\.0)[\d.]+ secured"
COLOUR = re.compile(rb"\x1b\[(?:\d+;)*(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])[;m]")  # SGR, ECMA-48 8.3.117 and xterm's
PLAIN = {"TERM": "vt100", "NO_COLOR": "1", "LC_ALL": "C"}


def top(node: Node, environment: Mapping[str, str] = NOTHING) -> AbstractContextManager[Shown]:
    """On 80 columns and 24 lines, in the network namespace whose sockets it asks for."""
    return shown(socket_of(node), "--interval", "1", by=("on", node.name), environment=environment)


def counts(terminal: Shown) -> tuple[int, ...]:
    """Connections since the agent's start: that began, were secured, went in clear, were refused."""
    found = terminal.until(SINCE)
    assert found is not None
    return tuple(map(int, found.groups()))


def await_counts(terminal: Shown, *wanted: int) -> None:
    """Until so many have been counted."""
    terminal.until(lambda: counts(terminal) == wanted)


def more(before: tuple[int, ...], *by: int) -> list[int]:
    """As many more of each."""
    return [count + added for count, added in zip(before, by, strict=True)]


def row(end: str, port: str, state: str) -> str:
    """A connection to or from that port: state, provider, age, held, bytes per second."""
    return rf"\S+ +{end} [\d.]+:{port} +{state} +openssl +\d+[smh]\w* +\S+ +[\d.]+ ?\w+"


def test_connections_come_and_go_on_both_screens(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    lasting, many, refused, in_clear = ports.require(), ports.require(), ports.require(), ports.prefer()
    with top(node_a) as mine, top(node_b) as other:
        for node, screen in ((node_a, mine), (node_b, other)):
            screen.until(rf"agent +node '{node.name}', process {node.agent.pid}, up .*, provider 'openssl'")
            screen.until(PER_SECOND)
        first, second = counts(mine), counts(other)
        chat = Chat(node_a, node_b, lasting, marker)
        (ends,) = [flow for flow in tell(node_a, "flows", "--state", "open")["flows"] if str(lasting) in flow["server"]]
        mine.until(row(">", str(lasting), "open"))
        other.until(row("<", ends["client"].rpartition(":")[2], "open"))
        mine.until(r"sessions +.*node-b \(1\)")
        other.until(r"sessions +.*node-a \(1\)")
        assert mine.colours(" open ") - {"default"} == {"green"}
        for screen in (mine, other):
            screen.until(r"connections +1 open")
            screen.until(r"rules +.*7001-7049:require \(require\): 1 open")
        steady = Steady(node_a, node_b, IPV4, payload(marker, 2000), many)
        mine.until(BUSY)
        other.until(BUSY)
        done = 1 + steady.end()
        await_counts(mine, *more(first, done, done, 0, 0))
        await_counts(other, *more(second, done, done, 0, 0))
        mine.until(r"per second +0\.0 began, 0\.0 secured")
        with bypassed(node_b):
            other.until(r"BYPASS +is on: new connections are NOT encrypted")
            assert not attempt(node_a, node_b, IPV4, refused, payload(marker))[0]
            assert attempt(node_a, node_b, IPV4, in_clear, payload(marker))[0]
            await_counts(mine, *more(first, done + 2, done, 1, 1))
            mine.until(r"refused +.*\d+ \S")
            mine.until(r"in clear +.*\d+ \S")
        other.until(lambda: "BYPASS" not in other.text())
        chat.end()
        for screen in (mine, other):
            screen.until(r"connections +none")
            screen.until(lambda screen=screen: " open " not in screen.text())  # type: ignore[misc]
        mine.press("q")
        other.press("\x03")
        assert mine.left() == other.left() == 0
    wire.secured(marker, lasting, many, flows=done)
    wire.silent(marker, refused)
    wire.clear(marker, in_clear)


def test_a_plain_terminal_without_colour(node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes) -> None:
    port = ports.require()
    with top(node_a, PLAIN) as screen:
        screen.until(PER_SECOND)
        chat = Chat(node_a, node_b, port, marker)
        screen.until(row(">", str(port), "open"))
        lines = screen.lines()
        assert re.match(rf"agent +node 'node-a', process {node_a.agent.pid}, up ", lines[0]), "nothing wrapped"
        assert lines[-1].startswith("q quit  s sort  p pause  / filter  [1 of 1, newest]")
        assert screen.colours(" open ") == {"default"}
        screen.press("/no such\r")
        screen.until(r"\[0 of 0, newest\]  filter: 'no such'")
        chat.end()
        screen.press("\x03")
        assert screen.left() == 0
        assert not COLOUR.search(screen.raw) and screen.raw.count(SCREEN_ON) == 1
    wire.secured(marker, port, flows=1)
