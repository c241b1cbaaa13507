# SPDX-License-Identifier: Apache-2.0
"""What every capture backend must pass: subclass `CaptureBackendConformance`, name it `Test…`, and set `spec`.

Real connections on loopback, in mode 'observe', which needs no more of the kernel than sockops; what a machine lacks
(root, cgroup v2, leave to load programs) skips by name. The tests run their own event loop.
"""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from pathlib import Path

import pytest

from tlshub_core.testing.backend_harness import OBSERVE, Witness, settings_for
from tlshub_core.testing.backend_rules import BackendRules
from tlshub_core.testing.cgroup import bpf_descriptors, programs_on
from tlshub_core.testing.talker import Talker
from tlshub_core.types.capture import (
    FlowClosed,
    FlowEstablished,
    FlowSeen,
    Overrun,
    State,
)
from tlshub_core.types.errors import Unavailable, Unsupported
from tlshub_core.types.flow import Mode, Side, Tuple4
from tlshub_core.types.interfaces import Level, Probe

HOME = ip_address("127.0.0.1")


class CaptureBackendConformance(BackendRules):
    """A backend sees what the rules name, tells it rightly, moves states atomically, and leaves nothing behind."""

    def test_spec_describes_itself(self) -> None:
        assert self.spec.name == self.spec.name.strip().lower() != ""
        assert self.spec.summary
        assert "\n" not in self.spec.summary

    def test_unknown_option_is_refused(self) -> None:
        with pytest.raises(ValueError, match="no_such_option"):
            self.spec.config(no_such_option=1)

    def test_probe_tells_and_changes_nothing(self) -> None:
        before = bpf_descriptors()
        backend = self.make()
        first, second = asyncio.run(backend.probe()), asyncio.run(backend.probe())
        assert isinstance(first, Probe)
        assert first == second
        assert first.level is not Level.FAILED or first.remedy
        assert bpf_descriptors() == before

    def test_detach_before_attach_is_nothing(self) -> None:
        asyncio.run(self.make().detach(unpin=True))

    def test_nothing_is_left_behind(self, cgroup: Path) -> None:
        before = bpf_descriptors()

        async def twice(witness: Witness) -> None:
            assert programs_on(cgroup) > 0
            await witness.backend.detach(unpin=True)

        for _ in range(2):
            self.run(cgroup, twice)
            assert programs_on(cgroup) == 0
            assert bpf_descriptors() == before

    def test_a_failed_attach_leaves_nothing(self, cgroup: Path) -> None:
        before = bpf_descriptors()

        async def failing() -> None:
            await (await self.attach(cgroup)).detach(unpin=True)
            backend = self.make()
            with pytest.raises((Unavailable, Unsupported)):
                await backend.attach(OBSERVE, settings_for(cgroup / "absent"))
            await backend.detach(unpin=True)

        asyncio.run(failing())
        assert bpf_descriptors() == before

    def test_a_connection_is_told_from_both_ends(self, cgroup: Path, talker: Talker) -> None:
        async def test(witness: Witness) -> None:
            port = talker.open(1000, 70_000)
            talker.close()
            await witness.until(FlowClosed, 2)
            client, server = sorted(witness.of(FlowSeen), key=lambda seen: seen.side)
            ends = Tuple4(client=HOME, client_port=port, server=HOME, server_port=talker.service)
            for seen, side in ((client, Side.CLIENT), (server, Side.SERVER)):
                assert (seen.side, seen.tuple, seen.rule, seen.mode) == (side, ends, 0, Mode.OBSERVE)
                assert (seen.state, seen.syn_held) == (State.CLEAR, False)
            self._check_established(witness, client, server)
            self._check_closed(witness, client, server)
            assert witness.of(Overrun) == []

        self.run(cgroup, test)

    def _check_established(self, witness: Witness, client: FlowSeen, server: FlowSeen) -> None:
        both = {event.cookie: event for event in witness.of(FlowEstablished)}
        isns = both[client.cookie].isns(Side.CLIENT)
        assert isns == both[server.cookie].isns(Side.SERVER), "the two ends must derive from the same numbers"
        assert isns.client != isns.server
        assert client.time_ns <= both[client.cookie].time_ns
        assert server.time_ns <= both[server.cookie].time_ns

    def _check_closed(self, witness: Witness, client: FlowSeen, server: FlowSeen) -> None:
        for cookie, sent, received in ((client.cookie, 1000, 70_000), (server.cookie, 70_000, 1000)):
            closed = next(event for event in witness.of(FlowClosed) if event.cookie == cookie)
            assert (closed.state, closed.restarts, closed.held_ns) == (State.CLEAR, 0, 0)
            # TCP's own counts: a SYN and a FIN are one each.
            assert sent <= closed.bytes_sent <= sent + 2
            assert received <= closed.bytes_received <= received + 2

    def test_states_move_by_compare_and_swap(self, cgroup: Path, talker: Talker) -> None:
        async def test(witness: Witness) -> None:
            talker.open(1, 1)
            cookie = (await witness.until(FlowSeen, 2))[0].cookie
            move = witness.backend.move
            assert move(cookie, State.NEW, State.OPEN) is State.CLEAR, "not the expected state: nothing moves"
            assert move(cookie, State.CLEAR, State.CLEAR) is State.CLEAR
            assert move(cookie, State.CLEAR, State.ARMED, 1 << 62) is State.CLEAR
            assert move(cookie, State.CLEAR, State.REFUSED) is State.ARMED
            assert move(cookie, State.ARMED, State.OPEN) is State.ARMED
            assert move(1 << 60, State.NEW, State.OPEN) is None
            talker.close()
            ended = {closed.cookie: closed.state for closed in await witness.until(FlowClosed, 2)}
            assert ended[cookie] is State.OPEN
            assert sorted(ended.values()) == [State.OPEN, State.CLEAR]
            assert move(cookie, State.OPEN, State.OPEN) is None

        self.run(cgroup, test)
