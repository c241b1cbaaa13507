# SPDX-License-Identifier: Apache-2.0
"""What systemd hears: over a real socket, in the forms of sd_notify(3), from the whole agent too."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.unit.agent.test_agent_observe import Running, agent
from tlshub_core.supervisor import BEATS, Supervisor

__all__ = ["agent"]
LIMIT_S = 30.0


class Systemd:
    """The other end of the socket."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(LIMIT_S)
        self._socket.bind(name.replace("@", "\0", 1))

    def hears(self) -> list[str]:
        """The next message, line by line."""
        return self._socket.recv(4096).decode().split("\n")

    def hears_but(self, unwanted: str) -> list[str]:
        """The next message that is another one."""
        while (said := self.hears()) == [unwanted]:
            continue
        return said

    def falls_silent(self, seconds: float) -> bool:
        """Whether, after what was said already, nothing comes for so long."""
        self._socket.settimeout(seconds)
        try:
            for _ in range(100):
                self.hears()
        except TimeoutError:
            return True
        finally:
            self._socket.settimeout(LIMIT_S)
        return False

    def close(self) -> None:
        """Hear no more."""
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Systemd]:
    name = str(tmp_path / "notify") if request.param == "path" else f"@tlshub-test-{os.getpid()}"
    found = Systemd(name)
    yield found
    found.close()


def test_what_it_is_told(systemd: Systemd) -> None:
    supervisor = Supervisor({"NOTIFY_SOCKET": systemd.name})
    supervisor.ready("capturing")
    assert systemd.hears() == ["READY=1", "STATUS=capturing"]
    before = time.monotonic_ns() // 1000
    with supervisor.reloading():
        kind, when = systemd.hears()
        assert kind == "RELOADING=1" and when.startswith("MONOTONIC_USEC=")
        assert before <= int(when.split("=")[1]) <= time.monotonic_ns() // 1000
    assert systemd.hears() == ["READY=1"]
    with pytest.raises(ValueError), supervisor.reloading():
        raise ValueError
    assert [systemd.hears()[0] for _ in range(2)] == ["RELOADING=1", "READY=1"], "a reload that fails ends, too"
    supervisor.stopping()
    assert systemd.hears()[0] == "STOPPING=1"


async def test_the_loop_says_that_it_turns_as_long_as_it_does(systemd: Systemd) -> None:
    environment = {"NOTIFY_SOCKET": systemd.name, "WATCHDOG_USEC": "300000", "WATCHDOG_PID": str(os.getpid())}
    began = time.monotonic()
    async with Supervisor(environment).watched():
        for _ in range(2 * BEATS + 1):
            assert await asyncio.to_thread(systemd.hears) == ["WATCHDOG=1"]
        took = time.monotonic() - began
    assert 0.55 < took < 5
    assert systemd.falls_silent(0.5)


@pytest.mark.parametrize(
    "environment", [{}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "-5"}, {"WATCHDOG_USEC": "9", "WATCHDOG_PID": "1"}]
)
async def test_nobody_watches(systemd: Systemd, environment: dict[str, str]) -> None:
    async with Supervisor({"NOTIFY_SOCKET": systemd.name, **environment}).watched():
        await asyncio.sleep(0.05)
    systemd._socket.settimeout(0.2)
    with pytest.raises(TimeoutError):
        systemd.hears()


@pytest.mark.parametrize("name", ["", "vsock:2:1", "nowhere"])
def test_without_systemd_nothing_is_said(name: str) -> None:
    Supervisor({"NOTIFY_SOCKET": name}).ready("capturing")


def test_systemd_that_has_gone_is_no_reason_to_stop(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Supervisor({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready("capturing")
    assert caplog.messages == ["systemd was not told 'READY=1': [Errno 2] No such file or directory"]


def test_a_systemd_that_does_not_listen_is_not_waited_for(systemd: Systemd, caplog: pytest.LogCaptureFixture) -> None:
    supervisor = Supervisor({"NOTIFY_SOCKET": systemd.name})
    began = time.monotonic()
    for _ in range(10_000):
        supervisor.stopping()
        if caplog.messages:
            break
    assert "systemd was not told 'STOPPING=1': [Errno 11]" in caplog.messages[0]
    assert time.monotonic() - began < LIMIT_S


@pytest.fixture
def told(agent: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Systemd]:
    found = Systemd(str(tmp_path / "notify"))
    monkeypatch.setenv("NOTIFY_SOCKET", found.name)
    monkeypatch.setenv("WATCHDOG_USEC", "900000")
    yield found
    found.close()


def test_the_whole_agent(agent: Running, told: Systemd) -> None:
    agent.configure("all")
    agent.start()
    assert told.hears_but("WATCHDOG=1") == ["READY=1", "STATUS=capturing: backend 'libbpf', 1 rules"]
    assert [told.hears() for _ in range(2)] == [["WATCHDOG=1"]] * 2
    for mode in ("observe", "perhaps"):
        agent.configure("all", mode)
        agent.process.send_signal(signal.SIGHUP)
        assert kinds([told.hears_but("WATCHDOG=1") for _ in range(2)]) == ["RELOADING=1", "READY=1"]
    agent.process.send_signal(signal.SIGSTOP)
    assert told.falls_silent(2)
    agent.process.send_signal(signal.SIGCONT)
    assert told.hears() == ["WATCHDOG=1"]
    assert agent.end() == 0, agent.text()
    assert told.hears_but("WATCHDOG=1") == ["STOPPING=1", "STATUS=stopping"]


def kinds(messages: Sequence[Sequence[str]]) -> list[str]:
    return [message[0] for message in messages]
