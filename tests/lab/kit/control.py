# SPDX-License-Identifier: Apache-2.0
"""'ctl' for a node's agent, in this process, since Python alone takes seconds to start under emulation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from tests.lab.kit.node import Node
from tlshub_core.cli.main import main


def socket_of(node: Node) -> Path:
    """Where the lab's configuration has it."""
    return node.agent.configuration.with_name("control.sock")


def tell(node: Node, *words: str, status: int = 0) -> Any:
    """The JSON document that the command prints, which has to end with that exit status."""
    done = CliRunner().invoke(main, ["ctl", "--socket", str(socket_of(node)), *words, "--json"])
    assert done.exit_code == status, (done.exit_code, done.output, done.exception)
    return json.loads(done.stdout)
