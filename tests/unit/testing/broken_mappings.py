# SPDX-License-Identifier: Apache-2.0
"""Mapping sources that each break what one conformance test wants."""

from __future__ import annotations

from tests.unit.testing.sound_mapping import Sound, Source
from tlshub_core.api import Address, Level, Pod, Probe


class TestSound(Sound):
    """Breaks nothing."""


class TestNoIpv6(Sound):
    breaks = "test_finds_by_address_and_by_name"

    class Source(Source):
        def by_address(self, address: Address) -> Pod | None:
            found = super().by_address(address)
            return found if found and found.address and found.address.version == 4 else None


class TestGuesses(Sound):
    breaks = "test_unknown_is_none"

    class Source(Source):
        def by_name(self, name: str) -> Pod | None:
            return super().by_name(name) or self.table[0]


class TestMappedIsUnknown(Sound):
    breaks = "test_mapped_address_is_the_ipv4_one"

    class Source(Source):
        def by_address(self, address: Address) -> Pod | None:
            return next((pod for pod in self.table if pod.address == address), None)


class TestRemembersWhatIsGone(Sound):
    breaks = "test_reload_takes_the_new_table"

    class Source(Source):
        async def reload(self) -> None:
            before = self.table
            await super().reload()
            self.table = self.table + [pod for pod in before if pod not in self.table]


class TestForgetsBeforeItReads(Sound):
    breaks = "test_failed_reload_keeps_the_old_table"

    class Source(Source):
        async def reload(self) -> None:
            self.table = []
            await super().reload()


class TestReloadIsSilent(Sound):
    breaks = "test_failed_reload_keeps_the_old_table"

    class Source(Source):
        async def reload(self) -> None:
            if self.store[0] is not None or not self.table:
                await super().reload()


class TestStartsWithoutAStore(Sound):
    breaks = "test_start_fails_on_a_spoilt_store"

    class Source(Source):
        async def start(self) -> None:
            self.table = list(self.store[0] or [])


class TestProbeReads(Sound):
    breaks = "test_probe_tells_and_changes_nothing"

    class Source(Source):
        async def probe(self) -> Probe:
            self.table = list(self.store[0] or [])
            return await super().probe()


class TestProbeIsContent(Sound):
    breaks = "test_probe_of_a_spoilt_store_fails"

    class Source(Source):
        async def probe(self) -> Probe:
            return Probe(level=Level.OK, message="never looked")


class TestStopsOnce(Sound):
    breaks = "test_stop_can_be_repeated_and_come_first"

    class Source(Source):
        stops = 0

        async def stop(self) -> None:
            self.stops += 1
            if self.stops > 1:
                raise RuntimeError("stopped already")


class TestNeedsAnAddress(Sound):
    breaks = "test_pod_without_address_is_known_by_name_only"

    class Source(Source):
        def by_name(self, name: str) -> Pod | None:
            return next((pod for pod in self.table if pod.name == name and pod.address), None)
