# SPDX-License-Identifier: Apache-2.0
"""A third node with a good certificate lies to the agents: it gets no key that is not its own, and starves nobody."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest

from tests.lab.kit import liar
from tests.lab.kit.chat import Flag
from tests.lab.kit.job import Job, Say
from tests.lab.kit.node import Node
from tests.lab.kit.ports import IPV4, Ports
from tests.lab.kit.remains import nothing_left
from tests.lab.kit.steady import Steady
from tests.lab.kit.stress import times
from tests.lab.kit.talk import accept, converse, listener, payload, receives_first, sends_first, take
from tests.lab.kit.trial import Record, Tried, try_all
from tests.lab.kit.wire import Wire
from tests.lab.test_lab_containers import INSIDE, TO_CONTAINER, box, routed
from tests.lab.test_lab_outage import SHORT

OWN = f"{liar.NAME} {INSIDE}"
NOWHERE, HEARD = "10.9.9.9", 4096
T = TypeVar("T")
pytestmark = pytest.mark.agents(node_a=SHORT, node_b=SHORT)


def away(say: Say, does: Callable[[Say], T]) -> T:
    """In no node's cgroup: no agent captures what this process does."""
    Path("/sys/fs/cgroup/cgroup.procs").write_text("0")
    return does(say)


def third_node(node_a: Node, does: Callable[[Say], T]) -> Job[T]:
    """A machine of its own, behind node-a."""
    return box(node_a, partial(away, does=does))[0]


def lies(_say: Say, host: str, honest: str, port: int) -> tuple[list[str], list[str], int]:
    """What is answered to questions for what is not its own, and to its own again."""
    who = liar.certified()
    others = [liar.question(client, host, (40_001, port)) for client in (honest, host, NOWHERE)]
    own, other = (liar.question(INSIDE, host, (number, port)) for number in (40_002, 40_003))
    refused = asyncio.run(liar.ask_for_others(who, host, others))
    return refused, *asyncio.run(liar.ask_again(who, host, own, other))


def test_it_asks_for_what_is_not_its_own(node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes) -> None:
    content, port = payload(marker), ports.require()
    with routed(node_a, node_b, OWN):
        load = Steady(node_a, node_b, IPV4, content, port)
        refused, again, nonces = third_node(
            node_a, partial(lies, host=node_b.ipv4, honest=node_a.ipv4, port=port)
        ).result()
        count = load.end()
    assert refused == ["not-yours"] * 6
    assert again == ["Ready", "replayed", "Ready"] and nonces == 2
    assert len(wire.secret(marker, port)) >= count > 0
    wire.opened(marker, port, keys=node_b.keys)
    assert not node_a.events("Refused") and not node_b.events("Refused")


def test_it_floods_and_honest_nodes_go_on(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, record_property: Record
) -> None:
    content, port, floods = payload(marker, 2000), ports.require(), times(1, 10)

    def flood(_say: Say) -> list[tuple[int, int]]:
        who = liar.certified()
        return [asyncio.run(liar.flood(who, node_b.ipv4, INSIDE, port)) for _ in range(floods)]

    with routed(node_a, node_b, OWN):
        converse(node_a, node_b, IPV4, port, sends_first, receives_first, content).check()
        with nothing_left(node_a, node_b):
            load = Steady(node_a, node_b, IPV4, content, port)
            found = third_node(node_a, flood).result(300)
            count = load.end()
    assert all(0 < sessions <= 32 and answers > 0 for sessions, answers in found), found
    assert len(wire.secret(marker, port)) >= count > 0
    assert not node_a.events("Refused", "ReleasedClear") and not node_b.events("Refused", "ReleasedClear")
    record_property("questions", sum(answers for _, answers in found))
    record_property("connections meanwhile", count)


def promises(say: Say, ports: tuple[int, ...], ended: Flag) -> tuple[int, list[bytes]]:
    """Promise everything as an agent, and listen in plain TCP; how many promises, and what came on each port."""

    async def run() -> tuple[int, list[bytes]]:
        over, doors = asyncio.Event(), [listener(TO_CONTAINER, port) for port in ports]
        agent = asyncio.create_task(liar.promise_all(liar.certified(), over))
        hearing = asyncio.gather(*(asyncio.to_thread(_hear, door) for door in doors))
        say("listening")
        heard = await hearing
        await asyncio.to_thread(ended.wait)
        over.set()
        return await agent, heard

    return asyncio.run(run())


def _hear(door: socket.socket) -> bytes:
    with door, accept(door) as sock:
        return take(sock, HEARD)


def lied_to(
    node_a: Node, node_b: Node, whose: str, ports: tuple[int, ...], heard: tuple[int, ...], content: bytes
) -> tuple[dict[int, Tried], int, list[bytes]]:
    """Clients of node-b go to the third node, which promises: what they met, how often it did, and what it heard."""
    ended = Flag()
    with routed(node_a, node_b, whose):
        third = third_node(node_a, partial(promises, ports=heard, ended=ended))
        assert third.heard() == "listening"
        tried = node_b.start(partial(try_all, way=TO_CONTAINER, ports=ports, content=content)).result()
        ended.set()
        return tried, *third.result()


def test_it_promises_and_holds_nothing(node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes) -> None:
    """It gets what any peer gets that does not decrypt: records."""
    secret, content = (ports.require(), ports.prefer()), payload(marker)
    tried, promised, heard = lied_to(node_a, node_b, OWN, secret, secret, content)
    assert promised == 2 and all(one.error and not one.got for one in tried.values()), (promised, tried)
    assert all(got.startswith(b"\x17\x03\x03") and marker not in got for got in heard), heard
    assert len(wire.secret(marker, *secret)) == 2


def test_it_listens_where_another_node_should(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    secret, content = ports.require(), payload(marker)
    tried, promised, _ = lied_to(node_a, node_b, f"node-d {INSIDE}", (secret,), (), content)
    assert promised == 0 and tried[secret].error and not tried[secret].got, (promised, tried)
    assert [event["reason"] for event in node_b.await_events("Refused", 1)] == ["peer-unverified"]
    wire.silent(marker, secret)
