# SPDX-License-Identifier: Apache-2.0
"""What the kernel's own program answers to a peer that wants a connection left alone, and what it does then."""

from __future__ import annotations

import time
from ipaddress import ip_address
from pathlib import Path

import pytest
from tlshub_capture_bpf import tlshub_capture_backends
from tlshub_capture_bpf.backend import LibbpfBackend

from tlshub_core.api import FlowClosed, FlowDecided, FlowSeen, Match, Mode, Reason, RuleSet, Side, State, Tuple4
from tlshub_core.testing import pair as pairs
from tlshub_core.testing.backend_harness import BackendHarness, Witness
from tlshub_core.testing.matching import row, rule_set
from tlshub_core.testing.talker import Talker

HOST = ip_address("10.9.0.1")
LATER = time.monotonic_ns() + 3_600_000_000_000


def to(port: int) -> Tuple4:
    return Tuple4(client=HOST, client_port=4000, server=HOST, server_port=port)


def backend_of(witness: Witness, rules: RuleSet) -> LibbpfBackend:
    """`replace` would refuse the modes that need the gate, and here nothing has to be held."""
    assert isinstance(witness.backend, LibbpfBackend)
    witness.backend._swap(rules)
    return witness.backend


@pytest.mark.usefixtures("compiled")
class TestLeave(BackendHarness):
    spec = next(iter(tlshub_capture_backends()))

    def test_only_where_the_first_rule_of_the_accepting_side_says_so(self, cgroup: Path) -> None:
        rules = [
            row(Mode.REQUIRE, ports=(80, 80), passthrough=True),
            row(Mode.REQUIRE, rule=1, ports=(80, 81)),
            row(Mode.PREFER, rule=2, ports=(82, 82), passthrough=True),
            Match(
                rule=3,
                mode=Mode.REQUIRE,
                sides=frozenset({Side.CLIENT}),
                ports=(83, 83),
                network=None,
                passthrough=True,
            ),
        ]

        async def test(witness: Witness) -> None:
            backend = backend_of(witness, rule_set(rules))
            assert [backend.leave(to(port), LATER) for port in range(79, 85)] == [
                False,
                True,
                False,
                True,
                False,
                False,
            ]

        self.run(cgroup, test)

    @pytest.mark.parametrize("reason", [Reason.MPTCP, Reason.KERNEL_SOCKET])
    def test_a_peer_that_can_take_no_tls_is_followed_only_where_it_is_preferred(
        self, cgroup: Path, reason: Reason
    ) -> None:
        rules = [
            row(Mode.REQUIRE, ports=(80, 80)),
            row(Mode.REQUIRE, rule=1, ports=(81, 81), passthrough=True),
            row(Mode.PREFER, rule=2, ports=(82, 83)),
            row(Mode.OBSERVE, rule=3, ports=(84, 84)),
        ]

        async def test(witness: Witness) -> None:
            backend = backend_of(witness, rule_set(rules))
            assert backend.expect(to(83), LATER) is None
            allowed = [port for port in range(79, 86) if backend.leave(to(port), LATER, reason)]
            assert allowed == [82]

        self.run(cgroup, test)

    @pytest.mark.parametrize("mode", [Mode.REQUIRE, Mode.PREFER])
    @pytest.mark.parametrize("reason", [Reason.MPTCP, Reason.KERNEL_SOCKET])
    def test_one_that_is_here_is_let_go_where_its_own_row_prefers(
        self, cgroup: Path, talker: Talker, mode: Mode, reason: Reason
    ) -> None:
        async def test(witness: Witness) -> None:
            backend = backend_of(witness, rule_set([row(mode)]))
            talker.open(1, 1)
            seen = {flow.side: flow for flow in await witness.until(FlowSeen, 2)}
            server, prefers = seen[Side.SERVER], mode is Mode.PREFER
            backend_of(witness, rule_set([row(Mode.PREFER)]))
            assert backend.leave(server.tuple, LATER, reason) is prefers
            assert backend.move(server.cookie, State.NEW, State.NEW) is (State.CLEAR if prefers else State.NEW)
            assert backend.move(seen[Side.CLIENT].cookie, State.NEW, State.NEW) is State.NEW
            talker.close()
            await witness.until(FlowClosed, 2)
            told = [(event.cookie, event.state, event.reason) for event in witness.of(FlowDecided)]
            assert told == ([(server.cookie, State.CLEAR, reason)] if prefers else [])

        self.run(cgroup, test)

    @pytest.mark.parametrize("mode", [Mode.REQUIRE, Mode.PREFER])
    @pytest.mark.parametrize("reason", [Reason.MPTCP, Reason.KERNEL_SOCKET, Reason.PASSTHROUGH])
    def test_one_that_comes_later_is_let_go_where_its_own_row_says_so(
        self, cgroup: Path, talker: Talker, mode: Mode, reason: Reason
    ) -> None:
        async def test(witness: Witness) -> None:
            tls = reason is Reason.PASSTHROUGH
            backend = backend_of(witness, rule_set([row(Mode.PREFER, passthrough=tls)]))
            host, port = ip_address("127.0.0.1"), pairs.free_port()
            tuple4 = Tuple4(client=host, client_port=port, server=host, server_port=talker.service)
            assert backend.leave(tuple4, LATER, reason) is True
            backend_of(witness, rule_set([row(mode, passthrough=tls)]))
            talker.open(1, 1, port)
            talker.close()
            await witness.until(FlowClosed, 2)
            told = [(event.state, event.reason) for event in witness.of(FlowDecided)]
            assert told == ([(State.CLEAR, reason)] if tls or mode is Mode.PREFER else [])

        self.run(cgroup, test)

    def test_not_where_it_was_promised_that_it_will_be_secured(self, cgroup: Path) -> None:
        async def test(witness: Witness) -> None:
            backend = backend_of(witness, rule_set([row(Mode.REQUIRE, passthrough=True)]))
            assert backend.expect(to(80), LATER) is None
            assert backend.leave(to(80), LATER) is False
            assert backend.expect(to(81), time.monotonic_ns()) is None, "a promise that is over binds nobody"
            assert backend.leave(to(81), LATER) is True

        self.run(cgroup, test)

    @pytest.mark.parametrize("passthrough", [True, False])
    def test_a_connection_that_is_here_is_let_go_where_its_own_row_said_so(
        self, cgroup: Path, talker: Talker, passthrough: bool
    ) -> None:
        async def test(witness: Witness) -> None:
            backend = backend_of(witness, rule_set([row(Mode.REQUIRE, passthrough=passthrough)]))
            talker.open(1, 1)
            seen = {flow.side: flow for flow in await witness.until(FlowSeen, 2)}
            server = seen[Side.SERVER]
            assert (server.state, server.passthrough, server.syn_held) == (State.NEW, passthrough, False)
            assert seen[Side.CLIENT].syn_held is not passthrough
            backend_of(witness, rule_set([row(Mode.REQUIRE, passthrough=True)]))
            assert backend.leave(server.tuple, LATER) is passthrough
            assert backend.move(server.cookie, State.NEW, State.NEW) is (State.CLEAR if passthrough else State.NEW)
            assert backend.move(seen[Side.CLIENT].cookie, State.NEW, State.NEW) is State.NEW
            talker.close()
            await witness.until(FlowClosed, 2)
            told = [(event.cookie, event.state, event.reason) for event in witness.of(FlowDecided)]
            assert told == ([(server.cookie, State.CLEAR, Reason.PASSTHROUGH)] if passthrough else [])

        self.run(cgroup, test)
