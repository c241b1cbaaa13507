# SPDX-License-Identifier: Apache-2.0
"""A bypass in the kernel's own programs: new connections are left alone, but for those that the peer was promised."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from pathlib import Path

import pytest
from tlshub_capture_bpf import tlshub_capture_backends

from bpf.tests.test_bpf_leave import LATER, backend_of
from tlshub_core.api import FlowClosed, FlowSeen, Mode, Side, State, Tuple4
from tlshub_core.ruling import BYPASS_RULE, spared
from tlshub_core.testing.backend_harness import BackendHarness, Witness
from tlshub_core.testing.matching import row, rule_set
from tlshub_core.testing.talker import Talker

HOME = ip_address("127.0.0.1")
RULES = rule_set([row(Mode.REQUIRE)])


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


@pytest.mark.usefixtures("compiled")
class TestBypass(BackendHarness):
    spec = next(iter(tlshub_capture_backends()))

    def test_what_began_before_stays_and_what_is_new_is_none_of_ours(self, cgroup: Path, talker: Talker) -> None:
        async def test(witness: Witness) -> None:
            backend = backend_of(witness, RULES)
            talker.open(1, 1)
            before = await witness.until(FlowSeen, 2)
            backend_of(witness, spared(RULES))
            assert backend.match(Side.SERVER, HOME, 80) == (BYPASS_RULE, Mode.BYPASS)
            talker.open(1, 1)
            assert [backend.move(flow.cookie, State.NEW, State.NEW) for flow in before] == [State.NEW, State.NEW]
            backend_of(witness, RULES)
            after = talker.open(1, 1)
            await witness.until(FlowSeen, 4)
            assert {flow.tuple.client_port for flow in witness.of(FlowSeen)[2:]} == {after}
            talker.close()
            assert len(await witness.until(FlowClosed, 4)) == 4

        self.run(cgroup, test)

    def test_what_was_promised_is_held(self, cgroup: Path, talker: Talker) -> None:
        async def test(witness: Witness) -> None:
            port = free_port()
            backend = backend_of(witness, RULES)
            ends = Tuple4(client=HOME, client_port=port, server=HOME, server_port=talker.service)
            assert backend.expect(ends, LATER) is None
            backend_of(witness, spared(RULES))
            assert talker.open(1, 1, port) == port
            (kept,) = await witness.until(FlowSeen, 1)
            assert (kept.side, kept.tuple, kept.state, kept.mode) == (Side.SERVER, ends, State.ASKED, Mode.REQUIRE)
            assert kept.rule == BYPASS_RULE, "it is not given the name and the provider of another rule"
            talker.close()
            assert len(await witness.until(FlowClosed, 1)) == 1

        self.run(cgroup, test)
