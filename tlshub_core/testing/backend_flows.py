# SPDX-License-Identifier: Apache-2.0
"""The part of a capture backend's conformance that is about the flow table, and what agents leave to each other."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from tlshub_core.testing.backend_harness import BackendHarness, Witness, settings_for
from tlshub_core.testing.cgroup import bpf_descriptors
from tlshub_core.testing.talker import Talker
from tlshub_core.types.capture import FlowClosed, FlowEstablished, State


class BackendFlows(BackendHarness):
    """What the events told is in the flow table, too, for whoever has not heard them."""

    def test_the_flow_table_tells_what_the_events_told(self, cgroup: Path, talker: Talker) -> None:
        async def test(witness: Witness) -> None:
            flows, move = witness.backend.flows, witness.backend.move
            assert list(flows()) == [], "there was no connection yet"
            talker.open(1, 1)
            talker.open(1, 1)
            told = {event.cookie: event for event in await witness.until(FlowEstablished, 4)}
            kept = {row.seen.cookie: row for row in flows()}
            assert kept.keys() == told.keys(), "each connection is one row for each end that is here"
            assert {c: row.established for c, row in kept.items()} == told, "and has the numbers of its handshake"
            times = [row.seen.time_ns for row in kept.values()]
            assert times == sorted(times), "the flows come in the order of their beginning"
            first = next(iter(kept))
            assert move(first, State.CLEAR, State.ARMED) is State.CLEAR
            now = {row.seen.cookie: row.seen for row in flows()}
            assert now == {c: row.seen for c, row in kept.items()} | {
                first: replace(kept[first].seen, state=State.ARMED)
            }, "'seen' has the state of now, and nothing else of it changes"
            talker.close()
            await witness.until(FlowClosed, 4)
            assert list(flows()) == [], "what is closed is no flow any more"

        self.run(cgroup, test)

    def test_there_is_nothing_to_retire_where_nothing_is_pinned(self, cgroup: Path) -> None:
        async def test() -> None:
            await (await self.attach(cgroup)).detach(unpin=False)
            backend = self.make()
            assert list(await backend.retire(settings_for(cgroup))) == [], "rules that only observe leave nothing"
            assert list(backend.flows()) == []
            await backend.detach(unpin=True)

        before = bpf_descriptors()
        asyncio.run(test())
        assert bpf_descriptors() == before, "'retire' keeps descriptors of programs or maps"
