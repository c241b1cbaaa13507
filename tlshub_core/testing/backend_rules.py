# SPDX-License-Identifier: Apache-2.0
"""The part of a capture backend's conformance that is about rules."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from tlshub_core.testing.backend_harness import OBSERVE, BackendHarness, Witness
from tlshub_core.testing.conformance import opt_in
from tlshub_core.testing.matching import first_match, row, rule_set
from tlshub_core.testing.talker import Talker
from tlshub_core.types.capture import (
    FlowClosed,
    FlowSeen,
    Match,
)
from tlshub_core.types.errors import Unsupported
from tlshub_core.types.flow import Mode, Side

HOME = ip_address("127.0.0.1")


class BackendRules(BackendHarness):
    """Rules decide what is told, the first match counts, and they are swapped as a whole."""

    def test_only_what_the_rules_name_is_told(self, cgroup: Path, talker: Talker) -> None:
        async def test(witness: Witness) -> None:
            talker.open(1, 1)
            witness.backend.replace(OBSERVE)
            port = talker.open(1, 1)
            await witness.until(FlowSeen, 2)
            told = {seen.tuple.client_port for seen in witness.of(FlowSeen)}
            assert told == {port}, "connections that no rule names are nobody's business"

        self.run(cgroup, test, rule_set([row(Mode.OBSERVE, ports=(1, 1))]))

    def test_the_first_match_decides(self, cgroup: Path) -> None:
        rows = [
            Match(rule=0, mode=Mode.BYPASS, sides=frozenset({Side.SERVER}), ports=(80, 80), network=None),
            row(Mode.OBSERVE, rule=1, ports=(80, 90), network=ip_network("10.0.0.0/8")),
            row(Mode.BYPASS, rule=2, ports=(1, 100), network=ip_network("10.1.0.0/16")),
            row(Mode.OBSERVE, rule=3, ports=(81, 81), network=ip_network("fd00::/8")),
            Match(rule=4, mode=Mode.OBSERVE, sides=frozenset(Side), ports=(1, 65535), network=None, comm="curl"),
        ]
        rules = rule_set(rows)

        async def test(witness: Witness) -> None:
            for side in Side:
                for host in ("10.0.0.1", "10.1.0.1", "11.0.0.1", "fd12::1", "fe80::1"):
                    for port in (1, 79, 80, 81, 90, 91, 101, 65535):
                        asked = (side, ip_address(host), port)
                        assert witness.backend.match(*asked) == first_match(rules, *asked), asked

        self.run(cgroup, test, rules)

    def test_there_is_no_moment_without_rules(self, cgroup: Path, talker: Talker) -> None:
        sets = [rule_set([row(Mode.OBSERVE, rule=number)]) for number in range(2)]

        async def test(witness: Witness) -> None:
            swaps = rounds = 0
            while {seen.rule for seen in witness.of(FlowSeen)} != {0, 1} or rounds < 3:
                assert rounds < 30, "no swap ever took effect while connections were made"
                rounds += 1
                talker.tell("churn 50")
                while len(witness.of(FlowClosed)) < 100 * rounds and swaps < 100_000:
                    witness.backend.replace(sets[swaps % 2])
                    assert witness.backend.match(Side.CLIENT, HOME, 80) == (swaps % 2, Mode.OBSERVE)
                    swaps += 1
                    await asyncio.sleep(0)
                assert talker.answer() == "churned"
                assert len(witness.of(FlowSeen)) == 100 * rounds, "a connection was missed"

        self.run(cgroup, test)

    @opt_in("light")
    def test_rules_that_need_the_gate_are_refused_where_it_is_not_loaded(self, cgroup: Path) -> None:
        async def test(witness: Witness) -> None:
            with pytest.raises(Unsupported):
                witness.backend.replace(rule_set([row(Mode.REQUIRE, rule=7)]))
            assert witness.backend.match(Side.CLIENT, HOME, 80) == (0, Mode.OBSERVE), "refused rules change nothing"

        self.run(cgroup, test)
