# SPDX-License-Identifier: Apache-2.0
"""Every command against the parts of an agent: what it answers, what it changes, what stays where it fails."""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path

import pytest

from tests.unit.control.home import CONFIG, RULE, Home, out
from tlshub_core.control import requests
from tlshub_core.control.answers import (
    BypassAnswer,
    ProvidersAnswer,
    ReloadAnswer,
    ReportAnswer,
    RulesAnswer,
)
from tlshub_core.pipeline import ktls
from tlshub_core.testing.node import Link, MemoryNode
from tlshub_core.testing.scripted import Script
from tlshub_core.types import events
from tlshub_core.types.errors import ConfigError, PluginError, TlshubError
from tlshub_core.types.flow import Side

pytestmark = pytest.mark.usefixtures("installed")


async def test_a_connection_that_ended_is_in_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, link = Home(tmp_path), Link.make()
    monkeypatch.setattr(ktls, "install", lambda *_: (1, 2))
    await home.node.begin(link)
    await home.node.establish(link)
    home.node.backend.close(link.cookie, sent=100, received=23)
    await home.node.settle()
    link.close()
    answer = await home.ask(requests.Report())
    assert isinstance(answer, ReportAnswer)
    (row,) = answer.groups
    assert (row.outcome, row.provider, row.side, row.connections, row.bytes) == (
        "secured",
        "scripted",
        "client",
        1,
        123,
    )
    assert {name: it.count for name, it in row.metrics.items()} == dict.fromkeys(row.metrics, 1)
    assert list(row.metrics) == ["connection_latency_ms", "key_negotiation_ms", "throughput_mbps"]
    assert (answer.total_connections, answer.active_connections) == (1, 0)


async def test_status_says_what_runs(tmp_path: Path) -> None:
    home = Home(tmp_path)
    emit = home.ledger.emit
    up = {"time_ns": time.monotonic_ns(), "node": "there", "address": "127.0.0.2"}
    emit(events.SessionUp(**up, dialler=True))
    emit(events.SessionUp(**up, dialler=False))
    emit(events.Lost(time_ns=1, sink="ring buffer", count=3))
    for count in (4, 5):
        emit(events.Unattended(time_ns=1, released=count, refused=2 * count, since_ns=0))
    home.node.backend.begin(Side.CLIENT, out(1))
    await home.node.settle()
    found = await home.status()
    assert (found.node, found.backend, found.programs, found.mapping) == ("here", "memory", ("one", "two"), None)
    assert (found.rules, found.rows, found.configuration) == (2, 3, str(home.file))
    assert [(one.node, one.dialler, one.flows) for one in found.sessions] == [("there", True, 1), ("there", False, 1)]
    assert (found.totals.unattended_clear, found.totals.unattended_refused) == (9, 18)
    assert (found.totals.lost_in_kernel, found.totals.lost_in_sinks) == (3, 0)
    assert [(one.name, one.default, one.allowed) for one in found.providers] == [("scripted", True, True)]
    assert found.notices == ("something is lacking",)
    assert found.bypass == BypassAnswer(on=False, left_s=None)


async def test_rules_are_those_of_the_file_in_their_order(tmp_path: Path) -> None:
    answer = await Home(tmp_path).ask(requests.Rules())
    assert isinstance(answer, RulesAnswer)
    assert [(row.rule, row.mode, row.direction, row.ports, row.provider) for row in answer.rules] == [
        ("web", "prefer", "in", "80", "scripted"),
        ("web", "prefer", "in", "8000-8100", "scripted"),
        ("rest", "require", "both", "any", "scripted"),
    ]
    assert not answer.implied and not answer.bypass.on


async def test_the_rule_of_a_file_of_the_original_tool(tmp_path: Path) -> None:
    answer = await Home(tmp_path, "mode = openssl\n").ask(requests.Rules())
    assert isinstance(answer, RulesAnswer) and answer.implied
    assert [(row.rule, row.mode) for row in answer.rules] == [("implied", "observe")]


async def test_a_reload_takes_the_new_rules_or_says_where_the_file_is_wrong(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.file.write_text(CONFIG + RULE)
    answer = await home.ask(requests.Reload())
    assert answer == ReloadAnswer(rules=1, rows=2, mapping=None, bypass=BypassAnswer(on=False, left_s=None))
    for wrong, table, key in (("[[rule]]\nmode = 1\n", "[rule]", "name"), ("[kays]\n", "", "kays")):
        home.file.write_text(CONFIG + wrong)
        with pytest.raises(ConfigError) as caught:
            await home.ask(requests.Reload())
        assert (caught.value.file, caught.value.table, caught.value.key) == (str(home.file), table, key)
        assert home.node.backend.rules.names == home.parts.ruling.rules.names == ("web",)


async def test_a_reload_that_the_kernel_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, old = Home(tmp_path), Home(tmp_path).parts.ruling.rules

    def refuse(*_: object) -> None:
        raise OSError(12, "no memory")

    monkeypatch.setattr(home.node.backend, "replace", refuse)
    for request in (requests.Reload(), requests.Bypass(on=True, minutes=0)):
        with pytest.raises(TlshubError, match="no memory"):
            await home.ask(request)
    assert home.parts.ruling.rules == old and not home.parts.ruling.bypassed


async def test_a_bypass_on_and_off(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    home = Home(tmp_path)
    with caplog.at_level(logging.WARNING):
        assert await home.ask(requests.Bypass(on=True, minutes=2)) == BypassAnswer(on=True, left_s=120)
    assert "BYPASS ON (process 7 of user 0): new connections are NOT encrypted" in caplog.text
    assert (await home.status()).bypass == BypassAnswer(on=True, left_s=120)
    home.node.backend.begin(Side.CLIENT, out(1))
    await home.node.settle()
    assert (await home.flows())[0] == 0, "it is left alone"
    assert await home.ask(requests.Bypass(on=False, minutes=0)) == BypassAnswer(on=False, left_s=None)
    home.node.backend.begin(Side.CLIENT, out(2))
    await home.node.settle()
    assert (await home.flows())[0] == 1
    assert [event.on for event in home.node.said(events.Bypass)] == [True, False]


async def test_a_provider_that_is_not_there(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with pytest.raises(PluginError, match="no plugin named 'agate' is installed"):
        await home.ask(requests.Provider(name="agate"))
    before = await home.ask(requests.Providers())
    assert isinstance(before, ProvidersAnswer)
    assert [(one.name, one.default) for one in before.providers] == [("scripted", True)]
    assert (await home.ask(requests.Provider(name="scripted"))) == before


async def test_another_provider_serves_what_is_new(tmp_path: Path) -> None:
    home = Home(tmp_path, node=MemoryNode(script=Script(wait=asyncio.Event())))
    home.node.backend.begin(Side.CLIENT, out(1))
    await home.node.settle()
    answer = await home.ask(requests.Provider(name="garnet"))
    assert isinstance(answer, ProvidersAnswer)
    assert [(one.name, one.default) for one in answer.providers] == [("scripted", False), ("garnet", True)]
    home.node.backend.begin(Side.CLIENT, out(2))
    await home.node.settle()
    assert [row.provider for row in (await home.flows())[1]] == ["garnet", "scripted"]
    rules = await home.ask(requests.Rules())
    assert isinstance(rules, RulesAnswer) and {row.provider for row in rules.rules} == {"garnet"}
