# SPDX-License-Identifier: Apache-2.0
"""Capture backends that each break what one conformance test wants."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from tests.unit.testing.sound_backend import Around, Sound
from tlshub_core.api import (
    CaptureEvent,
    CaptureSettings,
    FlowClosed,
    FlowEstablished,
    FlowKept,
    FlowSeen,
    Mode,
    Probe,
    RuleSet,
    Side,
    State,
    Unsupported,
)
from tlshub_core.testing import rule_set


class TestSound(Sound):
    """Breaks nothing."""


class TestProbeKeepsADescriptor(Sound):
    breaks = "test_probe_tells_and_changes_nothing"

    class Backend(Around):
        async def probe(self) -> Probe:
            kept = os.memfd_create("bpf-of-a-probe")
            return replace(await self.inner.probe(), message=f"memory {kept}")


class TestDetachNeedsAttach(Sound):
    breaks = "test_detach_before_attach_is_nothing"

    class Backend(Around):
        attached = False

        async def attach(self, rules: RuleSet, settings: CaptureSettings) -> Sequence[str]:
            self.attached = True
            return await self.inner.attach(rules, settings)

        async def detach(self, unpin: bool) -> None:
            if not self.attached:
                raise RuntimeError("not attached")
            await self.inner.detach(unpin)


class TestDetachLeavesAMap(Sound):
    breaks = "test_nothing_is_left_behind"

    class Backend(Around):
        async def attach(self, rules: RuleSet, settings: CaptureSettings) -> Sequence[str]:
            names = await self.inner.attach(rules, settings)
            self.kept = os.memfd_create("bpf-map")
            return names


class TestFailedAttachLeavesAMap(Sound):
    breaks = "test_a_failed_attach_leaves_nothing"

    class Backend(Around):
        async def attach(self, rules: RuleSet, settings: CaptureSettings) -> Sequence[str]:
            kept = os.memfd_create("bpf-map")
            names = await self.inner.attach(rules, settings)
            os.close(kept)
            return names


class TestServersOnly(Sound):
    breaks = "test_a_connection_is_told_from_both_ends"

    class Backend(Around):
        def told(self, event: CaptureEvent) -> CaptureEvent | None:
            return None if isinstance(event, FlowSeen) and event.side is Side.CLIENT else event


class TestSwapsTheNumbers(Sound):
    breaks = "test_a_connection_is_told_from_both_ends"

    class Backend(Around):
        def told(self, event: CaptureEvent) -> CaptureEvent | None:
            if isinstance(event, FlowEstablished):
                low, high = sorted((event.local_isn, event.remote_isn))
                return replace(event, local_isn=low, remote_isn=high)
            return event


class TestCountsTheEnd(Sound):
    breaks = "test_bytes_are_exact_however_it_ends"
    also = ("test_a_connection_is_told_from_both_ends",)

    class Backend(Around):
        def told(self, event: CaptureEvent) -> CaptureEvent | None:
            whole = isinstance(event, FlowClosed) and event.bytes_received
            return replace(event, bytes_received=event.bytes_received + 1) if whole else event


class TestCountsTheSyn(Sound):
    breaks = "test_one_that_never_was_established_moved_nothing"

    class Backend(Around):
        def told(self, event: CaptureEvent) -> CaptureEvent | None:
            nothing = isinstance(event, FlowClosed) and not event.bytes_received and not event.bytes_sent
            return replace(event, bytes_sent=1) if nothing else event


class TestDoesNotSayWhenItLetGo(Sound):
    breaks = "test_states_move_by_compare_and_swap"

    class Backend(Around):
        def told(self, event: CaptureEvent) -> CaptureEvent | None:
            return replace(event, released_ns=None) if isinstance(event, FlowClosed) else event


class TestMovesWhateverIsThere(Sound):
    breaks = "test_states_move_by_compare_and_swap"

    class Backend(Around):
        def move(self, cookie: int, expected: State, to: State, deadline_ns: int = 0) -> State | None:
            before = self.inner.move(cookie, expected, to, deadline_ns)
            if before not in (None, expected):
                self.inner.move(cookie, before, to, deadline_ns)
            return before


class TestTellsOfEverything(Sound):
    breaks = "test_only_what_the_rules_name_is_told"

    class Backend(Around):
        async def attach(self, rules: RuleSet, settings: CaptureSettings) -> Sequence[str]:
            wide = [replace(match, ports=(1, 65535)) for match in rules.matches]
            return await self.inner.attach(rules if len(wide) > 1 else rule_set(wide), settings)


class TestTheLastMatchDecides(Sound):
    breaks = "test_the_first_match_decides"

    class Backend(Around):
        async def attach(self, rules: RuleSet, settings: CaptureSettings) -> Sequence[str]:
            return await self.inner.attach(replace(rules, matches=rules.matches[::-1]), settings)


class TestAMomentWithoutRules(Sound):
    breaks = "test_there_is_no_moment_without_rules"

    class Backend(Around):
        swaps = 0

        def replace(self, rules: RuleSet) -> None:
            self.swaps += 1
            self.inner.replace(rules if self.swaps % 4 else rule_set([]))


class TestTakesRulesThatItCannotKeep(Sound):
    breaks = "test_rules_that_need_the_gate_are_refused_where_it_is_not_loaded"

    class Backend(Around):
        def replace(self, rules: RuleSet) -> None:
            try:
                self.inner.replace(rules)
            except Unsupported:
                self.inner.replace(rule_set([replace(match, mode=Mode.OBSERVE) for match in rules.matches]))


class TestKeepsNoNumbers(Sound):
    breaks = "test_the_flow_table_tells_what_the_events_told"

    class Backend(Around):
        def flows(self) -> Sequence[FlowKept]:
            return [replace(row, established=None) for row in self.inner.flows()]


class TestTellsOfStatesThatWere(Sound):
    breaks = "test_the_flow_table_tells_what_the_events_told"

    class Backend(Around):
        def flows(self) -> Sequence[FlowKept]:
            return [replace(row, seen=replace(row.seen, state=State.CLEAR)) for row in self.inner.flows()]


class TestRetiresWhatIsNotThere(Sound):
    breaks = "test_there_is_nothing_to_retire_where_nothing_is_pinned"

    class Backend(Around):
        async def retire(self, settings: CaptureSettings) -> Sequence[str]:
            return [*await self.inner.retire(settings), "phantom"]
