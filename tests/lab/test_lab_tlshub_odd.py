# SPDX-License-Identifier: Apache-2.0
"""TLSHub's module answers late, oddly or not at all: what the applications see of it, and what the wire shows."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from tests.lab.kit.attempt import attempt
from tests.lab.kit.node import Node
from tests.lab.kit.ports import IPV4, Ports
from tests.lab.kit.talk import converse, payload, receives_first, sends_first
from tests.lab.kit.tlshub import DEADLINE_S, Module, with_tlshub
from tests.lab.kit.wire import Wire

pytestmark = with_tlshub()


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Lines for one node's module; `reason` is what a refused connection's event says there, '' where it is secured."""

    node: str
    lines: tuple[str, ...] = field(default=())
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.node}: {', '.join(self.lines)}"


A, B, BROKEN = "node-a", "node-b", "provider-failed"
SECURED = (
    Case(node=A, lines=("not-done 4",)),
    Case(node=B, lines=("not-done 4",)),
    Case(node=A, lines=("expired 2",)),
    Case(node=B, lines=("expired 2",)),
    Case(node=A, lines=("log 2 start",)),
    Case(node=B, lines=("log 3 fetch",)),
    Case(node=A, lines=("twice 1 fetch",)),
    Case(node=A, lines=("twice 1 start",)),
    Case(node=B, lines=("twice 2 fetch",)),
    Case(node=A, lines=("delay 1000",)),
    Case(node=A, lines=("lag 700",)),
    Case(node=B, lines=("slow 300",)),
)
REFUSED = (
    Case(node=A, lines=("failed 1",), reason="peer-unreachable"),
    Case(node=A, lines=("silent 1 start",), reason=BROKEN),
    Case(node=A, lines=("silent 1 fetch",), reason=BROKEN),
    Case(node=A, lines=("slow 4000",), reason=BROKEN),
    Case(node=A, lines=("short 1 fetch",), reason=BROKEN),
    Case(node=A, lines=("short 1 start", "short-size 17"), reason=BROKEN),
    Case(node=A, lines=("expired 1", "zero 1"), reason=BROKEN),
    Case(node=A, lines=("fetch-type 1",), reason=BROKEN),
    Case(node=A, lines=("gone",), reason=BROKEN),
    Case(node=B, lines=("silent 1 fetch",), reason=BROKEN),
    Case(node=B, lines=("short 1 fetch", "short-size 142"), reason=BROKEN),
    Case(node=B, lines=("zero 1",), reason=BROKEN),
    Case(node=B, lines=("gone",), reason=BROKEN),
    Case(node=B, lines=("not-done 1000",), reason="deadline"),
)


@pytest.fixture(autouse=True)
def _as_at_first(module: Module) -> None:
    for node in (A, B):
        module.script(node, "reset")


def secured_after(node_a: Node, node_b: Node, wire: Wire, port: int, marker: bytes) -> None:
    """The next connection is secured."""
    converse(node_a, node_b, IPV4, port, sends_first, receives_first, payload(marker)).check()
    wire.secured(marker, port, flows=1)


@pytest.mark.parametrize("case", SECURED, ids=str)
def test_late_and_odd_answers_cost_no_connection(
    module: Module, node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, case: Case
) -> None:
    module.script(case.node, *case.lines)
    for _ in range(2):  # the second finds what the first has left unread
        secured_after(node_a, node_b, wire, ports.require(), marker)


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_without_a_key_it_is_refused_in_time_and_the_next_one_is_secured(
    module: Module, node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, case: Case
) -> None:
    port, content = ports.require(), payload(marker)
    module.script(case.node, *case.lines)
    good, seconds = attempt(node_a, node_b, IPV4, port, content)
    assert not good and seconds < DEADLINE_S + 3, seconds
    node = node_a if case.node == A else node_b
    assert node.await_events("Refused", 1)[0]["reason"] == case.reason
    assert not node_a.events("ReleasedClear") and not node_b.events("ReleasedClear")
    wire.secret(marker, port)
    if case.node == A:
        wire.silent(marker, port)
    module.script(case.node, *(["back"] if "gone" in case.lines else []), "reset")
    secured_after(node_a, node_b, wire, ports.require(), marker)
    assert module.asked(case.node)["v1 init server"] == str(int("gone" in case.lines)), (
        "INIT is for a module that is new"
    )


def test_log_lines_of_the_module_are_in_the_agents_log(
    module: Module, node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    module.script(A, "log 2 start")
    before = node_a.agent.log
    secured_after(node_a, node_b, wire, ports.require(), marker)
    said = node_a.agent.log[len(before) :]
    assert "log line 1 of 2" in said and "log line 2 of 2" in said


@pytest.mark.parametrize(
    "case",
    [
        Case(node=A, lines=("failed 1",), reason="peer-unreachable"),
        Case(node=A, lines=("silent 1 start",), reason=BROKEN),
        Case(node=B, lines=("gone",), reason=BROKEN),
        Case(node=B, lines=("silent 1 fetch",), reason=BROKEN),
    ],
    ids=str,
)
def test_preferred_and_begun_it_is_refused_and_never_mixed(
    module: Module, node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, case: Case
) -> None:
    port = ports.prefer()
    module.script(case.node, *case.lines)
    assert not attempt(node_a, node_b, IPV4, port, payload(marker))[0]
    node = node_a if case.node == A else node_b
    assert node.await_events("Refused", 1)[0]["reason"] == case.reason
    wire.secret(marker, port)
    assert not node_a.events("ReleasedClear") and not node_b.events("ReleasedClear")
    module.script(case.node, *(["back"] if "gone" in case.lines else []), "reset")
    secured_after(node_a, node_b, wire, ports.require(), marker)  # also ends the pause after a failure


def test_preferred_after_a_failure_the_next_one_goes_in_clear_at_both_ends(
    module: Module, node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    failed, clear = ports.prefer(), ports.prefer()
    module.script(A, "failed 1")
    assert not attempt(node_a, node_b, IPV4, failed, payload(marker))[0]
    assert attempt(node_a, node_b, IPV4, clear, payload(marker))[0]
    wire.silent(marker, failed)
    wire.clear(marker, clear)
    for node in (node_a, node_b):
        assert node.await_events("ReleasedClear", 1)[0]["reason"] == "peer-unreachable"
    secured_after(node_a, node_b, wire, ports.require(), marker)


@pytest.mark.parametrize("without", [(A,), (A, B)], ids=["node-a", "both"])
def test_preferred_and_no_module_the_client_is_in_clear_and_nothing_is_mixed(
    module: Module, node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, without: tuple[str, ...]
) -> None:
    """A server whose own module is gone cannot know whether its client has a key: it refuses."""
    port = ports.prefer()
    for node in without:
        module.script(node, "gone")
    good, seconds = attempt(node_a, node_b, IPV4, port, payload(marker))
    for node in without:
        module.script(node, "back")
    node_a.await_events("ReleasedClear", 1)
    node_b.await_events("ReleasedClear" if good else "Refused", 1)
    assert good == (B not in without) and seconds < DEADLINE_S + 3, seconds
    assert not node_a.events("Refused", "Secured") and not node_b.events("Secured")
    if good:
        wire.clear(marker, port)
