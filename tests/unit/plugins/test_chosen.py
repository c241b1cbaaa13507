# SPDX-License-Identifier: Apache-2.0
"""What a configuration asks of the plugins that it names."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.config.samples import write
from tests.unit.plugins.conftest import PROVIDER, Install
from tlshub_core.chosen import choose
from tlshub_core.config import load
from tlshub_core.plugins import Registry
from tlshub_core.types.errors import ConfigError

RULE = "[[rule]]\nname = 'a'\nmode = 'require'\npassthrough = 'tls'\n"


def test_passthrough_needs_a_provider_that_can_tell_the_peer(install: Install, tmp_path: Path) -> None:
    able = PROVIDER.replace("{name}", "zircon").replace("config=Options", "config=Options, passthrough=True")
    install("quartz")
    install("zircon", code=able)
    keys = "[keys]\nprovider = 'quartz'\n"
    with pytest.raises(ConfigError) as caught:
        choose(load(write(tmp_path, keys + RULE)), Registry())
    assert (caught.value.table, caught.value.key) == ("[rule]", "passthrough")
    assert "rule 'a': provider 'quartz' cannot tell a peer to leave a connection alone" in str(caught.value)
    choose(load(write(tmp_path, keys + RULE + "provider = 'zircon'\n")), Registry())
