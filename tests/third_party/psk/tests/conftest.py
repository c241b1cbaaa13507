# SPDX-License-Identifier: Apache-2.0
"""Two nodes with one secret, on 127.0.0.1 and 127.0.0.2."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import tlshub_capture_psk

from tlshub_core.testing import Pair, agent, free_port, identities

Nodes = Callable[..., Pair]


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    """A good one."""
    path = tmp_path / "secret"
    path.write_text("5c" * 32 + "\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def nodes(tmp_path: Path, secret_file: Path) -> Nodes:
    """Makes two nodes, not started; the server may have another secret."""

    def make(servers: Path = secret_file) -> Pair:
        (spec,) = tlshub_capture_psk.tlshub_key_providers()
        one, two = identities(tmp_path / "pki", free_port())
        options = [{"secret_file": secret_file, "listen": "127.0.0.1"}, {"secret_file": servers, "listen": "127.0.0.2"}]
        client, server = (spec.factory(spec.config(**table, patience_s=0.6)) for table in options)
        return Pair(client=client, server=server, client_agent=agent(one, "psk"), server_agent=agent(two, "psk"))

    return make
