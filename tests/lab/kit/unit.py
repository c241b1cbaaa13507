# SPDX-License-Identifier: Apache-2.0
"""The agent of a node as a service of systemd, by the unit that is shipped; in a lab whose first process is systemd."""

from __future__ import annotations

import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lab.kit.node import Node

NAME = "tlshub-capture"
UNIT = Path(__file__).parents[3] / "deploy/systemd/tlshub-capture.service"
HERE = Path("/run/systemd/system")
# What is of this lab: its nodes, its files, and that nothing else of a machine has been started.
OURS = """
[Unit]
DefaultDependencies=no
[Service]
ExecStart=
ExecStart={start}
ExecReload=
ExecReload={reload}
NetworkNamespacePath=/run/netns/{node}
ReadWritePaths={files}
ReadWritePaths={pins}
StandardOutput=append:{files}/{node}/agent.log
StandardError=inherit
TimeoutStartSec=200
WatchdogSec=60
Environment=PYTHONDONTWRITEBYTECODE=1
"""


def systemctl(*words: str) -> subprocess.CompletedProcess[str]:
    """A command of systemctl; its status is the caller's to judge."""
    return subprocess.run(["systemctl", "--no-pager", *words], capture_output=True, text=True, timeout=250)


def shown(field: str) -> str:
    """A property of the unit."""
    return systemctl("show", "--value", "-p", field, NAME).stdout.strip()


@contextmanager
def service(node: Node) -> Iterator[None]:
    """The node's agent gives way to the service for as long as the block runs; skips where systemd is not process 1."""
    if Path("/proc/1/comm").read_text() != "systemd\n":
        pytest.skip("systemd is not the first process here: LAB_SYSTEMD=1 tests/lab/run tests/lab/test_lab_unit.py")
    words = Path(f"/proc/{node.agent.pid}/cmdline").read_text().split("\0")[:-1]
    node.agent.stop()
    files, config = node.agent.configuration.parents[1], node.agent.configuration
    reload = f"{' '.join(words[:2])} ctl --config {config} reload"
    pins = tomllib.loads(config.read_text())["capture"]["pins"]
    ours = OURS.format(start=" ".join(words), reload=reload, node=node.name, files=files, pins=pins)
    (HERE / f"{NAME}.service.d").mkdir(parents=True, exist_ok=True)
    (HERE / f"{NAME}.service.d/lab.conf").write_text(ours)
    (HERE / UNIT.name).write_bytes(UNIT.read_bytes())
    assert systemctl("daemon-reload").returncode == 0
    started = systemctl("start", NAME)
    assert started.returncode == 0, (started, systemctl("status", NAME).stdout, node.agent.log[-3000:])
    try:
        yield
    finally:
        assert systemctl("stop", NAME).returncode == 0
