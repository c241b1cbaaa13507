# SPDX-License-Identifier: Apache-2.0
"""The shipped unit under a real systemd: started, reloaded, killed and stopped, with what it is given."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab.kit.chat import Chat
from tests.lab.kit.node import Node
from tests.lab.kit.ports import IPV4, Ports
from tests.lab.kit.talk import converse, payload, receives_first, sends_first
from tests.lab.kit.unit import NAME, service, shown, systemctl
from tests.lab.kit.wire import Wire
from tlshub_core.privileges import RUNNING, excess

PATIENCE_S = 270.0  # the watchdog's time, and the longest that a start may take


@pytest.fixture
def unit(node_a: Node) -> Iterator[None]:
    with service(node_a):
        yield


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, systemctl("status", NAME).stdout
        time.sleep(0.2)


def test_it_does_its_work_with_what_it_is_given(
    unit: None, node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    first, second, content = ports.require(), ports.require(), payload(marker)
    main = int(shown("MainPID"))
    assert shown("StatusText").startswith("capturing: backend 'libbpf', ")
    assert excess(RUNNING, Path(f"/proc/{main}")) == ()
    assert "Seccomp:\t2" in Path(f"/proc/{main}/status").read_text()
    chat = Chat(node_a, node_b, first, marker)
    assert systemctl("reload", NAME).returncode == 0
    rules = node_a.agent.configuration.read_text()
    node_a.agent.configuration.write_text(rules + "[kays]\n")
    assert systemctl("reload", NAME).returncode != 0
    node_a.agent.configuration.write_text(rules)
    assert shown("ActiveState") == "active" and int(shown("MainPID")) == main
    os.kill(main, signal.SIGKILL)
    until(lambda: shown("NRestarts") == "1" and shown("ActiveState") == "active")
    assert int(shown("MainPID")) != main
    converse(node_a, node_b, IPV4, second, sends_first, receives_first, content).check()
    chat.end()
    wire.secured(marker, first, second)


def test_one_that_hangs_is_started_anew(unit: None) -> None:
    main = int(shown("MainPID"))
    os.kill(main, signal.SIGSTOP)
    until(lambda: shown("NRestarts") == "1" and shown("ActiveState") == "active")
    assert int(shown("MainPID")) != main
