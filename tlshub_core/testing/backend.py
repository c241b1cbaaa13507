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

from tlshub_core.testing.backend_bytes import BackendBytes
from tlshub_core.testing.backend_flows import BackendFlows
from tlshub_core.testing.backend_harness import OBSERVE, Witness, settings_for
from tlshub_core.testing.backend_rules import BackendRules
from tlshub_core.testing.cgroup import bpf_descriptors, programs_on
from tlshub_core.testing.conformance import check_probe
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

HOME = ip_address("127.0.0.1")


class CaptureBackendConformance(BackendBytes, BackendFlows, BackendRules):
    """A backend sees what the rules name, tells it rightly, moves states atomically, and leaves nothing behind.

    Features: 'light' (where rules only observe, nothing is loaded that could hold), 'installed'.
    """

    def test_probe_tells_and_changes_nothing(self) -> None:
        before = bpf_descriptors()
        backend = self.make()
        first, second = asyncio.run(backend.probe()), asyncio.run(backend.probe())
        check_probe(first)
        assert first == second, "'probe' has no side effects: asked again it finds the same"
        assert bpf_descriptors() == before, "'probe' keeps descriptors of programs or maps"

    def test_detach_before_attach_is_nothing(self) -> None:
        asyncio.run(self.make().detach(unpin=True))

    def test_nothing_is_left_behind(self, cgroup: Path) -> None:
        before = bpf_descriptors()

        async def twice(witness: Witness) -> None:
            assert programs_on(cgroup) > 0, "'attach' attaches its programs to the cgroup of the settings"
            await witness.backend.detach(unpin=True)

        for _ in range(2):
            self.run(cgroup, twice)
            assert programs_on(cgroup) == 0, "'detach' leaves programs attached to the cgroup"
            assert bpf_descriptors() == before, "'detach' keeps descriptors of programs or maps"

    def test_a_failed_attach_leaves_nothing(self, cgroup: Path) -> None:
        before = bpf_descriptors()

        async def failing() -> None:
            await (await self.attach(cgroup)).detach(unpin=True)
            backend = self.make()
            with pytest.raises((Unavailable, Unsupported)):
                await backend.attach(OBSERVE, settings_for(cgroup / "absent"))
            await backend.detach(unpin=True)

        asyncio.run(failing())
        assert bpf_descriptors() == before, "an 'attach' that failed keeps descriptors of programs or maps"

    def test_a_connection_is_told_from_both_ends(self, cgroup: Path, talker: Talker) -> None:
        async def test(witness: Witness) -> None:
            port = talker.open(1000, 70_000)
            talker.close()
            await witness.until(FlowClosed, 2)
            client, server = sorted(witness.of(FlowSeen), key=lambda seen: seen.side)
            ends = Tuple4(client=HOME, client_port=port, server=HOME, server_port=talker.service)
            for seen, side in ((client, Side.CLIENT), (server, Side.SERVER)):
                assert (seen.side, seen.tuple) == (side, ends), "'tuple' has the client first, on both sides"
                assert (seen.rule, seen.mode) == (0, Mode.OBSERVE), "FlowSeen has the rule that matched"
                assert (seen.state, seen.syn_held) == (State.CLEAR, False), "what is observed is never held"
            self._check_established(witness, client, server)
            self._check_closed(witness, client, server)
            assert witness.of(Overrun) == [], "no event was lost, and the backend says so"

        self.run(cgroup, test)

    def _check_established(self, witness: Witness, client: FlowSeen, server: FlowSeen) -> None:
        both = {event.cookie: event for event in witness.of(FlowEstablished)}
        isns = both[client.cookie].isns(Side.CLIENT)
        assert isns == both[server.cookie].isns(Side.SERVER), "the two ends must derive from the same numbers"
        assert isns.client != isns.server, "each end has a first sequence number of its own"
        for seen in (client, server):
            assert seen.time_ns <= both[seen.cookie].time_ns, "a connection is seen before it is established"

    def _check_closed(self, witness: Witness, client: FlowSeen, server: FlowSeen) -> None:
        for cookie, sent, received in ((client.cookie, 1000, 70_000), (server.cookie, 70_000, 1000)):
            closed = next(event for event in witness.of(FlowClosed) if event.cookie == cookie)
            assert (closed.state, closed.restarts, closed.held_ns) == (State.CLEAR, 0, 0), "it was never held"
            assert closed.bytes_sent == sent, "'bytes_sent' is what this end sent, without SYN and FIN"
            assert closed.bytes_received == received, "'bytes_received' is what this end received, without the FIN"
            times = (closed.first_held_ns, closed.released_ns, closed.first_call_ns)
            assert times == (None, None, None), "what is only observed was never held, nor released"
            assert (closed.records_sent, closed.records_received) == (None, None), "it has no records"

    def test_states_move_by_compare_and_swap(self, cgroup: Path, talker: Talker) -> None:
        async def test(witness: Witness) -> None:
            talker.open(1, 1)
            cookie = (await witness.until(FlowSeen, 2))[0].cookie
            move = witness.backend.move
            assert move(cookie, State.NEW, State.OPEN) is State.CLEAR, "not the expected state: nothing moves"
            assert move(cookie, State.CLEAR, State.CLEAR) is State.CLEAR, "'move' returns the state before"
            assert move(cookie, State.CLEAR, State.ARMED, 1 << 62) is State.CLEAR, "'move' returns the state before"
            assert move(cookie, State.CLEAR, State.REFUSED) is State.ARMED, "the flow was moved to ARMED, and is not"
            assert move(cookie, State.ARMED, State.OPEN) is State.ARMED, "not the expected state: nothing moves"
            assert move(1 << 60, State.NEW, State.OPEN) is None, "a flow that is gone, or never was, is None"
            talker.close()
            both = await witness.until(FlowClosed, 2)
            ended = {closed.cookie: closed.state for closed in both}
            opened = next(closed for closed in both if closed.cookie == cookie).released_ns
            assert opened is not None and opened < both[-1].time_ns, "'move' to OPEN is when it was released"
            assert ended[cookie] is State.OPEN, "FlowClosed has the flow's last state"
            assert sorted(ended.values()) == [State.OPEN, State.CLEAR], "'move' moved another flow"
            assert move(cookie, State.OPEN, State.OPEN) is None, "a flow that is gone is None"

        self.run(cgroup, test)
