# SPDX-License-Identifier: Apache-2.0
"""The agent of a node: its log, and stopping and starting it with another configuration."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.lab.kit.changed import changed
from tests.lab.kit.state import state_of

READY = "Monitoring TCP connections"
PATIENCE_S = 180.0


class Agent:
    """Starts as the lab started it (lab/bin/agent); `changes` are 'table.key' to TOML values.

    'rules' is text behind the file, 'program' a Python file that runs in the place of 'tlshub-capture', 'python'
    another interpreter; with 'forked' it is a fork of this process (kit/forked_agent.py), and
    with 'delayed' one that kit/slow.py can put to sleep.
    """

    def __init__(self, node: str, folder: Path) -> None:
        self.node, self._folder = node, folder
        self._words = (folder / "agent.words").read_bytes().split(b"\0")[:-1]
        self._original = _kept(folder / "capture.original", self.configuration).decode()
        self._children: dict[int, Callable[[], int]] = {}  # how each ended; not those that somebody else started
        self.changes: Mapping[str, str] = {}
        self._mark = 0

    @property
    def pid(self) -> int:
        """The process that was started last."""
        return int((self._folder / "agent.pid").read_text())

    @property
    def configuration(self) -> Path:
        """The file."""
        return self._folder / "capture.toml"

    @property
    def log(self) -> str:
        """All that the node's agents have printed."""
        return (self._folder / "agent.log").read_text()

    def begin(self) -> None:
        """A test begins: what the agent said before is not its."""
        self._mark = len(self.log)

    def complaints(self) -> list[str]:
        """What the agent logged since as an error."""
        return [line for line in self.log[self._mark :].splitlines() if "ERROR" in line or "Traceback" in line]

    @property
    def running(self) -> bool:
        """Whether the process is there and no zombie."""
        try:
            return state_of(self.pid) != "Z"
        except (FileNotFoundError, ProcessLookupError):
            return False

    def descriptors(self) -> int:
        """How many it has open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def await_descriptors(self, count: int) -> None:
        """Until it has no more open than so many; a duplicate of a socket is let go of in its own time."""
        _wait(lambda: self.descriptors() <= count, f"the agent of '{self.node}' keeps more than {count} descriptors")

    def signal(self, number: int) -> None:
        """Send the agent a signal."""
        os.kill(self.pid, number)

    def stop(self) -> None:
        """SIGTERM, and wait until it is gone."""
        if self.running:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
        status = self.ended()
        assert status in (0, None), f"ended with {status}: {self.log[-2000:]}"

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        assert self.ended() in (-signal.SIGKILL, None)

    def ended(self) -> int | None:
        """Wait until it is gone; how it ended, as `Popen.returncode`, or None where somebody else started it."""
        _wait(lambda: not self.running, f"the agent of '{self.node}' does not end")
        reap = self._children.pop(self.pid, None)
        return reap() if reap is not None else None

    def start(self, changes: Mapping[str, str] | None = None) -> None:
        """Start it, with a changed configuration; `ready` waits until it captures."""
        self.changes = changes or {}
        self.configure(self.changes)
        self._from = len(self.log)
        pid = self._forked() if "forked" in self.changes else self._spawned()
        (self._folder / "agent.pid").write_text(f"{pid}\n")

    def _spawned(self) -> int:
        command, *arguments = map(os.fsdecode, self._words)
        program = [self.changes.get("python", sys.executable), self.changes.get("program") or _path(command)]
        words = ["on", self.node, *program, *arguments]
        with (self._folder / "agent.log").open("ab") as log:
            child = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)
        self._children[child.pid] = child.wait
        return child.pid

    def _forked(self) -> int:
        from tests.lab.kit.forked_agent import fork_agent  # it imports the agent, which other tests do not need

        words, log = [os.fsdecode(word) for word in self._words[1:]], self._folder / "agent.log"
        pid = fork_agent(self.node, words, log, delayed="delayed" in self.changes)
        self._children[pid] = lambda: os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return pid

    def ready(self) -> None:
        """Wait until it captures."""
        _wait(lambda: READY in self.log[self._from :] or not self.running, f"the agent of '{self.node}' does not start")
        assert self.running, self.log[self._from :]

    def configure(self, changes: Mapping[str, str]) -> None:
        """Write the configuration: the lab's, with these changes."""
        self.configuration.write_text(changed(self._original, changes))


def _path(command: str) -> str:
    found = shutil.which(command)
    assert found, command
    return found


def _kept(copy: Path, source: Path) -> bytes:
    """As it was when the lab's tests began for the first time; they may begin again, when no agent runs any more."""
    if not copy.exists():
        copy.write_bytes(source.read_bytes())
    return copy.read_bytes()


def _wait(until: Callable[[], bool], message: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not until():
        assert time.monotonic() < deadline, message
        time.sleep(0.05)
