# SPDX-License-Identifier: Apache-2.0
"""The part of a capture backend's conformance that is about how much a connection moved."""

from __future__ import annotations

from pathlib import Path

from tlshub_core.testing.backend_harness import BackendHarness, Witness
from tlshub_core.testing.talker import Talker
from tlshub_core.types.capture import FlowClosed, FlowSeen
from tlshub_core.types.flow import Side

ENDS = ("client", "server", "half-close", "reset", "unread", "unacknowledged")
SENT, RECEIVED = 1234, 4321


class BackendBytes(BackendHarness):
    """What is told at the end is what the application moved, to the byte."""

    def test_bytes_are_exact_however_it_ends(self, cgroup: Path, talker: Talker) -> None:
        async def test(witness: Witness) -> None:
            for count, how in enumerate(ENDS, start=1):
                talker.bring_to_an_end(how, SENT, RECEIVED)
                closed = {one.cookie: one for one in await witness.until(FlowClosed, 2 * count)}
                for seen in witness.of(FlowSeen)[-2:]:
                    sent, received = (SENT, RECEIVED) if seen.side is Side.CLIENT else (RECEIVED, SENT)
                    found = closed[seen.cookie]
                    told = (found.bytes_sent, found.bytes_received)
                    where = f"the {seen.side.name.lower()}'s end of one that ended by '{how}'"
                    assert told == (sent, received), f"{where} sent and received {sent}, {received}: told were {told}"

        self.run(cgroup, test)

    def test_one_that_never_was_established_moved_nothing(self, cgroup: Path, talker: Talker) -> None:
        async def test(witness: Witness) -> None:
            talker.fail_to_connect()
            (closed,) = await witness.until(FlowClosed, 1)
            assert (closed.bytes_sent, closed.bytes_received) == (0, 0), "a SYN is no byte of the application"

        self.run(cgroup, test)
