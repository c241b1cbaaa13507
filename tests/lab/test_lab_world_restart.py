# SPDX-License-Identifier: Apache-2.0
"""The other node's agent is stopped and started again while clients connect without a pause, under either mode."""

from __future__ import annotations

from collections import Counter
from functools import partial

import pytest

from tests.lab.kit.chat import Flag
from tests.lab.kit.job import Job, Say
from tests.lab.kit.node import Node
from tests.lab.kit.ports import IPV4, Ports
from tests.lab.kit.remains import await_no_flows
from tests.lab.kit.stress import times
from tests.lab.kit.talk import converse, payload, receives_first, sends_first
from tests.lab.kit.trial import Record, echo_all, try_all
from tests.lab.kit.wire import Wire
from tests.lab.test_lab_outage import HANDSHAKE_S, SHORT

AT_MOST_S = HANDSHAKE_S + 16  # an agent that starts takes the processor that the others wait for
GOOD = ""


def keep_trying(say: Say, port: int, content: bytes, enough: Flag) -> Counter[str]:
    """One connection after the other; how often it went well, and how often it met which error, in time."""
    found = Counter[str]()
    while not enough.is_set():
        one = try_all(say, IPV4, (port,), content)[port]
        assert content.startswith(one.got), (port, one.got[:80])
        assert one.seconds < AT_MOST_S, one
        found[one.error] += 1
        if found.total() == 1:
            say("at it")
    return found


@pytest.mark.agents(node_a=SHORT, node_b=SHORT)
def test_an_agent_is_restarted_under_load(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, record_property: Record
) -> None:
    content, require, prefer, after = payload(marker, 2000), ports.require(), ports.prefer(), ports.require()
    enough, ended, count = Flag(), Flag(), times(1, 12)
    serving = node_b.start(partial(echo_all, way=IPV4, ports=(require, prefer), ended=ended))
    assert serving.heard() == "listening"
    trying: list[Job[Counter[str]]] = [
        node_a.start(partial(keep_trying, port=port, content=content, enough=enough)) for port in (require, prefer)
    ]
    assert {job.heard() for job in trying} == {"at it"}
    for _ in range(count):
        node_b.agent.stop()
        node_b.agent.start(node_b.agent.changes)
        node_b.agent.ready()
    enough.set()
    under_require, under_prefer = (job.result() for job in trying)
    ended.set()
    for port, brought in serving.result().items():
        assert all(map(content.startswith, brought)), (port, [got[:80] for got in brought])
    converse(node_a, node_b, IPV4, after, sends_first, receives_first, content).check()
    wire.secret(marker, require, after)
    for node in (node_a, node_b):
        await_no_flows(node)
    assert under_require[GOOD] and under_prefer[GOOD], (under_require, under_prefer)
    record_property("times", count)
    record_property("under require: good, refused", f"{under_require[GOOD]}, {sum_of_errors(under_require)}")
    record_property("under prefer: good, refused", f"{under_prefer[GOOD]}, {sum_of_errors(under_prefer)}")


def sum_of_errors(found: Counter[str]) -> int:
    return found.total() - found[GOOD]
