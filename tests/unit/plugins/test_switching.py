# SPDX-License-Identifier: Apache-2.0
"""The switch of the default one: whatever goes wrong, the old one stays."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from tests.unit.plugins.actor import Actor
from tests.unit.plugins.home import PASSTHROUGH, home
from tlshub_core import providers as module
from tlshub_core.pipeline.serving import Serving
from tlshub_core.testing.exchanges import until
from tlshub_core.types.errors import ConfigError, PluginError, Unavailable

BUG = r"bug in provider 'zircon': KeyError at '[^']+/actor\.py', line \d+"


async def test_a_switch_probes_starts_and_leaves_the_old_one_running(folder: Path) -> None:
    here = await home(folder)
    await here.providers.switch("zircon")
    assert here.serving.default == "zircon"
    assert [(state.name, state.default, state.allowed) for state in here.providers.states()] == [
        ("quartz", False, True),
        ("zircon", True, True),
    ]
    assert Actor.made["zircon"].steps == ["probe", "start"]
    assert Actor.made["quartz"].steps == ["start"]
    await here.providers.switch("quartz")
    assert (here.serving.default, Actor.made["quartz"].steps) == ("quartz", ["start", "probe"])
    assert here.said() == [("key provider 'zircon'", True), ("key provider 'quartz'", True)]
    await here.providers.stop()
    assert [actor.steps[-1] for actor in Actor.made.values()] == ["stop", "stop"]


async def test_one_that_is_not_installed(folder: Path) -> None:
    error = await (await home(folder)).refused("beryl")
    assert isinstance(error, PluginError)
    assert "no plugin named 'beryl' is installed" in str(error)


async def test_wrong_options(folder: Path) -> None:
    error = await (await home(folder, "[plugin.zircon]\nsize = 1\n")).refused("zircon")
    assert isinstance(error, ConfigError)
    assert (error.table, error.key) == ("plugin.zircon", "size")


@pytest.mark.parametrize(
    ("table", "message", "steps"),
    [
        ("probe = 'failed'", "provider 'zircon' cannot serve: as the test wants it: mend it", ["probe"]),
        ("probe = 'bug'", BUG, ["probe"]),
        ("start = 'gone'", "as the test wants it", ["probe", "start", "stop"]),
        ("start = 'bug'", BUG, ["probe", "start", "stop"]),
    ],
)
async def test_one_that_cannot_serve(folder: Path, table: str, message: str, steps: list[str]) -> None:
    error = await (await home(folder, f"[plugin.zircon]\n{table}\n")).refused("zircon")
    assert isinstance(error, Unavailable)
    assert re.fullmatch(message, str(error))
    assert Actor.made["zircon"].steps == steps


async def test_a_bug_in_stop_is_the_providers(folder: Path) -> None:
    here = await home(folder, "[plugin.zircon]\nstop = 'bug'\n")
    await here.providers.switch("zircon")
    with pytest.raises(Unavailable, match=BUG):
        await here.providers.stop()
    assert Actor.made["quartz"].steps[-1] == "stop"


async def test_a_warning_is_logged_and_no_obstacle(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    here = await home(folder, "[plugin.zircon]\nprobe = 'warning'\n")
    await here.providers.switch("zircon")
    assert here.serving.default == "zircon"
    assert "provider 'zircon': as the test wants it: mend it" in caplog.text


async def test_one_that_lacks_what_a_rule_needs(folder: Path) -> None:
    here = await home(folder, PASSTHROUGH)
    error = await here.refused("zircon")
    assert isinstance(error, ConfigError)
    assert error.key == "passthrough"
    assert "zircon" not in Actor.made
    await here.providers.switch("garnet")


async def test_one_that_does_not_get_ready(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.05)
    error = await (await home(folder, "[plugin.zircon]\nstart = 'waits'\n")).refused("zircon")
    assert isinstance(error, Unavailable)
    assert Actor.made["zircon"].steps == ["probe", "start", "stop"]


async def test_a_caller_that_goes_away_leaves_the_old_one(folder: Path) -> None:
    here = await home(folder, "[plugin.zircon]\nstart = 'waits'\n")
    switch = asyncio.create_task(here.providers.switch("zircon"))
    await until(lambda: "zircon" in Actor.made)
    await Actor.made["zircon"].entered.wait()
    switch.cancel()
    with pytest.raises(asyncio.CancelledError):
        await switch
    assert here.serving.default == "quartz"
    assert Actor.made["zircon"].steps[-1] == "stop"
    await here.providers.switch("garnet")


async def test_switches_at_once_come_one_after_the_other(folder: Path) -> None:
    here = await home(folder, "[plugin.zircon]\nstart = 'waits'\n")
    first, second = (asyncio.create_task(here.providers.switch(name)) for name in ("zircon", "garnet"))
    await until(lambda: "zircon" in Actor.made)
    await Actor.made["zircon"].entered.wait()
    assert here.serving.default == "quartz"
    assert "garnet" not in Actor.made
    Actor.made["zircon"].go_on.set()
    await asyncio.gather(first, second)
    assert here.serving.default == "garnet"
    assert [name for name, _ in here.said()] == ["key provider 'zircon'", "key provider 'garnet'"]


async def test_nothing_is_started_any_more_when_the_agent_stops(folder: Path) -> None:
    here = await home(folder)
    await here.providers.stop()
    error = await here.refused("zircon")
    assert "the agent is stopping" in str(error)


def test_what_peers_may_ask_for_is_the_operators_word_else_what_was_the_default() -> None:
    serving = Serving("quartz")
    assert serving.allowed(None) == {"quartz"}
    serving.switch("zircon")
    serving.switch("quartz")
    assert serving.allowed(None) == {"quartz", "zircon"}
    assert serving.allowed(("garnet",)) == {"garnet"}
