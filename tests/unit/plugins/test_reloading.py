# SPDX-License-Identifier: Apache-2.0
"""A reload starts what the new rules name, and changes nothing where any of it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.config.samples import write
from tests.unit.plugins.home import Home, home
from tlshub_core.config import load
from tlshub_core.reloading import Reloading
from tlshub_core.types import events
from tlshub_core.types.capture import RuleSet
from tlshub_core.types.errors import ConfigError, PluginError, TlshubError, Unavailable, Unsupported

KEYS = '[keys]\nprovider = "quartz"\n'
NAMING = '[[rule]]\nname = "web"\nmode = "require"\nprovider = "{}"\n'


def reloading(here: Home, file: Path) -> Reloading:
    return Reloading(here.in_force, lambda: load(file), None, here.backend, here.providers, here.events.append)


async def test_it_starts_what_the_rules_name_and_takes_in_what_peers_may_ask_for(folder: Path) -> None:
    here = await home(folder)
    file = write(folder, f'{KEYS}providers_allowed = ["zircon"]\n{NAMING.format("garnet")}')
    await reloading(here, file).reload()
    assert here.in_force.rule(0) == ("web", "garnet")
    assert list(here.serving.running) == ["quartz", "garnet", "zircon"]
    assert here.agent.providers_allowed == {"zircon"}
    assert here.serving.default == "quartz"
    assert here.said() == [("rules and mapping", True)]


WRONG = [
    (KEYS + NAMING.format("beryl"), PluginError),
    (KEYS + NAMING.format("garnet") + "[plugin.garnet]\nsize = 1\n", ConfigError),
    (KEYS + NAMING.format("garnet") + "[plugin.garnet]\nstart = 'gone'\n", Unavailable),
    (KEYS + NAMING.format("zircon") + "passthrough = 'tls'\n", ConfigError),
    (KEYS + NAMING.format("quartz") + "match = { pods = ['a'] }\n", ConfigError),
]


@pytest.mark.parametrize(("text", "kind"), WRONG)
async def test_what_is_wrong_keeps_the_old_rules(folder: Path, text: str, kind: type[TlshubError]) -> None:
    here = await home(folder)
    before, rules = here.in_force.config, here.backend.rules
    with pytest.raises(kind) as caught:
        await reloading(here, write(folder, text)).reload()
    assert (here.in_force.config, here.backend.rules) == (before, rules)
    (said,) = [event for event in here.events if isinstance(event, events.Reloaded)]
    assert (said.ok, said.detail) == (False, str(caught.value))


async def test_rules_that_the_backend_does_not_take_are_not_in_force(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = await home(folder)
    before = here.in_force.config

    def refuse(_rules: RuleSet) -> None:
        raise Unsupported("restart it")

    monkeypatch.setattr(here.backend, "replace", refuse)
    with pytest.raises(Unsupported):
        await reloading(here, write(folder, KEYS + NAMING.format("garnet"))).reload()
    assert here.in_force.config is before
    assert "garnet" in here.serving.running, "it was started, and runs on"
