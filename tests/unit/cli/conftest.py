# SPDX-License-Identifier: Apache-2.0
"""A configuration that is in order, with its mapping."""

from __future__ import annotations

from pathlib import Path

import pytest

CONFIG = """
[keys]
provider = "openssl"
[peering]
node = "node-a"
[mapping]
source = "podmap_file"
[plugin.podmap_file]
path = "map"
[[rule]]
name = "web"
match = { ports = [80, "8000-8100"], pods = ["web"], direction = "in" }
mode = "require"
[[rule]]
name = "rest"
mode = "observe"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "map").write_text("web node-a 192.0.2.1 10.0.0.1,fd00::1\napi node-b\n")
    (tmp_path / "capture.toml").write_text(CONFIG)
    return tmp_path / "capture.toml"
