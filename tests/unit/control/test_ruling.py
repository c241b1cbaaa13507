# SPDX-License-Identifier: Apache-2.0
"""The bypass: before all rules, ended by hand or by time, kept by a reload, and never ended silently."""

from __future__ import annotations

import asyncio
import logging
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from tests.unit.control.home import CONFIG, REST, Home
from tlshub_core import ruling as module
from tlshub_core.control import requests
from tlshub_core.ruling import BYPASS_RULE, Ruling
from tlshub_core.testing.matching import row, rule_set
from tlshub_core.testing.memory_backend import MemoryBackend
from tlshub_core.types import events
from tlshub_core.types.capture import RuleSet
from tlshub_core.types.events import Event
from tlshub_core.types.flow import Mode, Side

PEER = IPv4Address("10.0.0.2")
RULES, OTHER = rule_set([row(Mode.REQUIRE)]), rule_set([row(Mode.PREFER, ports=(80, 80))])


class Stubborn(MemoryBackend):
    """Refuses to change its rules for so many times."""

    def __init__(self, times: int = 0) -> None:
        super().__init__(RULES)
        self.times = times

    def replace(self, rules: RuleSet) -> None:
        """Swap the rules, or raise OSError."""
        if self.times:
            self.times -= 1
            raise OSError(12, "no memory")
        super().replace(rules)


def made(backend: MemoryBackend) -> tuple[Ruling, list[Event]]:
    said: list[Event] = []
    backend.replace(RULES)
    return Ruling(backend, RULES, said.append), said


async def lifted(backend: Stubborn, seconds: int, times: int = 0) -> Ruling:
    """A bypass for so many seconds, when it is over; the kernel refuses to end it for so many times."""
    over = asyncio.Event()
    backend.replace(RULES)
    ruling = Ruling(backend, RULES, lambda event: over.set() if event == _off(event) else None)
    ruling.bypass(seconds, "somebody")
    assert ruling.left_s == seconds
    backend.times = times
    await asyncio.wait_for(over.wait(), 10)
    return ruling


def _off(event: Event) -> Event:
    return events.Bypass(time_ns=event.time_ns, on=False, seconds=0, detail="its time is over")


async def test_nothing_is_held_while_it_is_on() -> None:
    backend = Stubborn()
    ruling, said = made(backend)
    ruling.bypass(0, "somebody")
    assert backend.match(Side.CLIENT, PEER, 80) == (BYPASS_RULE, Mode.BYPASS)
    assert (ruling.bypassed, ruling.left_s, ruling.rules) == (True, None, RULES)
    ruling.lift("somebody else")
    ruling.lift("once more")
    assert backend.rules == RULES and not ruling.bypassed
    assert [(event.on, event.detail) for event in said if isinstance(event, events.Bypass)] == [
        (True, "somebody"),
        (False, "somebody else"),
    ]


async def test_it_ends_when_its_time_is_over() -> None:
    backend = Stubborn()
    ruling = await lifted(backend, 1)
    assert backend.rules == RULES and not ruling.bypassed and ruling.left_s is None


async def test_a_second_one_sets_the_time_anew() -> None:
    ruling, _ = made(Stubborn())
    ruling.bypass(1, "short")
    ruling.bypass(0, "for good")
    await asyncio.sleep(1.2)
    assert ruling.bypassed and ruling.left_s is None
    ruling.bypass(60, "long")
    ruling.lift("early")
    assert not ruling.bypassed and ruling.left_s is None


async def test_a_reload_does_not_end_it_and_counts_after_it() -> None:
    backend = Stubborn()
    ruling, _ = made(backend)
    ruling.bypass(0, "somebody")
    ruling.replace(OTHER)
    assert ruling.bypassed and ruling.rules == OTHER
    assert backend.match(Side.SERVER, PEER, 80)[1] is Mode.BYPASS
    ruling.lift("somebody")
    assert backend.rules == OTHER


async def test_as_many_rules_as_there_is_room_for_do_not_keep_it_off() -> None:
    backend = Stubborn()
    full = rule_set([row(Mode.REQUIRE, rule=number) for number in range(256)])
    ruling = Ruling(backend, full, lambda _: None)
    ruling.bypass(0, "somebody")
    assert len(backend.rules.matches) == 256
    assert backend.match(Side.CLIENT, PEER, 80)[1] is Mode.BYPASS
    ruling.lift("somebody")
    assert backend.rules == full


async def test_where_the_kernel_refuses_all_is_as_it_was() -> None:
    backend = Stubborn()
    ruling, said = made(backend)
    backend.times = 1
    with pytest.raises(OSError, match="no memory"):
        ruling.bypass(0, "somebody")
    assert not ruling.bypassed and not said
    ruling.bypass(0, "somebody")
    backend.times = 2
    with pytest.raises(OSError, match="no memory"):
        ruling.lift("somebody")
    with pytest.raises(OSError, match="no memory"):
        ruling.replace(OTHER)
    assert ruling.bypassed and ruling.rules == RULES


async def test_one_that_cannot_be_lifted_in_time_is_lifted_later(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.05)
    backend = Stubborn()
    with caplog.at_level(logging.ERROR):
        ruling = await lifted(backend, 1, times=2)
    assert caplog.text.count("the bypass cannot be lifted, new connections go on in clear") == 2
    assert backend.rules == RULES and not ruling.bypassed


@pytest.mark.usefixtures("installed")
async def test_a_promised_flow_is_not_given_the_name_of_another_rule(tmp_path: Path) -> None:
    home = Home(tmp_path, CONFIG + REST)
    assert home.parts.in_force.rule(BYPASS_RULE) == ("bypass", None)
    assert home.parts.in_force.rule(0) == ("rest", None)
    await home.ask(requests.Bypass(on=True, minutes=0))
    assert home.node.backend.rules.matches[0].rule == BYPASS_RULE
