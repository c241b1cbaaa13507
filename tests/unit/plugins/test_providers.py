# SPDX-License-Identifier: Apache-2.0
"""Which key providers run, and for which peers a SYN may go at once."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from tests.unit.config.samples import write
from tests.unit.plugins.actor import Actor
from tests.unit.plugins.home import PASSTHROUGH, home
from tlshub_core.chosen import choose
from tlshub_core.config import load
from tlshub_core.plugins import Registry
from tlshub_core.types.errors import ConfigError, PluginError

PEER = IPv4Address("192.0.2.1")


async def test_the_library_is_told_at_the_start_and_one_that_does_not_load_is_not_started(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real, libraries = Registry.key_provider, {"quartz": lambda: "Stone 1.2", "zircon": lambda: str(1 // 0)}
    monkeypatch.setattr(Registry, "key_provider", lambda self, name: replace(real(self, name), library=libraries[name]))
    here = await home(folder)
    assert capsys.readouterr().out.splitlines()[-1] == "  Library: Stone 1.2"
    assert "the library of plugin 'zircon' cannot be used" in str(await here.refused("zircon"))
    assert Actor.made["zircon"].steps == ["probe"]


async def test_what_only_peers_may_ask_for_need_not_be_installed(folder: Path) -> None:
    config = load(write(folder, '[keys]\nprovider = "quartz"\nproviders_allowed = ["zircon", "beryl"]\n'))
    chosen = choose(config, Registry())
    assert list(chosen.providers) == ["quartz", "zircon"]
    (notice,) = chosen.notices
    assert notice.startswith("provider 'beryl' of 'providers_allowed' is not installed here")
    with pytest.raises(PluginError, match="beryl"):
        choose(load(write(folder, '[keys]\nprovider = "beryl"\n')), Registry())


async def test_a_new_configuration_starts_what_it_names_and_stops_nothing(folder: Path) -> None:
    here = await home(folder)
    rule = '[[rule]]\nname = "a"\nmode = "require"\nprovider = "garnet"\n'
    new = load(write(folder, f'[keys]\nprovider = "quartz"\nproviders_allowed = ["zircon"]\n{rule}'))
    await here.providers.adopt(new)
    assert list(here.serving.running) == ["quartz", "garnet", "zircon"]
    assert Actor.made["quartz"].steps == ["start"]
    wrong = load(write(folder, f'[keys]\nprovider = "quartz"\n{rule}'.replace("garnet", "beryl")))
    with pytest.raises(PluginError):
        await here.providers.adopt(wrong)
    with pytest.raises(ConfigError, match="passthrough"):
        await here.providers.adopt(
            load(write(folder, f'[keys]\nprovider = "quartz"\n{PASSTHROUGH}provider = "zircon"\n'))
        )


async def test_a_syn_goes_at_once_only_where_all_that_may_serve_it_are_ready(folder: Path) -> None:
    here = await home(folder)
    quartz, zircon = here.agent.view("quartz"), here.agent.view("zircon")
    quartz.warm(PEER, True)
    assert here.backend.warm_peers == {PEER: True}
    await here.providers.switch("zircon")
    assert here.backend.warm_peers == {PEER: False}
    zircon.warm(PEER, True)
    assert here.backend.warm_peers == {PEER: True}
    quartz.warm(PEER, False)
    assert here.backend.warm_peers == {PEER: True}
    named = load(
        write(folder, '[keys]\nprovider = "quartz"\n[[rule]]\nname = "a"\nmode = "prefer"\nprovider = "quartz"\n')
    )
    await here.providers.adopt(named)
    assert here.backend.warm_peers == {PEER: False}, "it is not in force yet, and may be at any moment"
    here.providers.serve()
    assert here.backend.warm_peers == {PEER: True}, "the old configuration stayed"
