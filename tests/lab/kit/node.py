# SPDX-License-Identifier: Apache-2.0
"""A node of the lab: commands and applications in it, and what its agent reported."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from tests.lab.kit.agent import Agent
from tests.lab.kit.job import Job, Say, fork
from tests.lab.kit.place import enter

T = TypeVar("T")
Event = dict[str, object]


class Node:
    """'node-a' or 'node-b': its addresses, agent and events."""

    def __init__(self, name: str, folder: Path, ipv4: str, ipv6: str) -> None:
        self.name, self.ipv4, self.ipv6, self._folder = name, ipv4, ipv6, folder
        self.agent = Agent(name, folder)
        self._jobs: list[Job[object]] = []
        self._from = 0

    def run(self, words: Sequence[str], timeout: float = 60) -> str:
        """Run a command in the node; its output. Raises CalledProcessError."""
        done = subprocess.run(["on", self.name, *words], check=True, text=True, timeout=timeout, stdout=subprocess.PIPE)
        return done.stdout

    def spawn(self, words: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start a command in the node."""
        return subprocess.Popen(["on", self.name, *words])

    def start(self, function: Callable[[Say], T]) -> Job[T]:
        """Run a function as an application of the node: a process in its network namespace and its cgroup."""
        job = fork(partial(enter, self.name), function)
        self._jobs.append(job)  # type: ignore[arg-type]
        return job

    @property
    def keys(self) -> Path:
        """The key log of its agents."""
        return self._folder / "keys.jsonl"

    def begin(self) -> None:
        """A test begins: only events from now on are its."""
        self._from = self._file.stat().st_size if self._file.exists() else 0
        self.agent.begin()

    def end(self) -> None:
        """A test ends: no application of it goes on, and the agent has nothing to complain about."""
        for job in self._jobs:
            job.kill()
        self._jobs.clear()
        assert not self.agent.complaints(), self.agent.complaints()

    @property
    def _file(self) -> Path:
        return self._folder / "events.jsonl"

    def events(self, *kinds: str, everything: bool = False) -> list[Event]:
        """Events of the test, or of all tests, of these kinds (any, if none is named)."""
        names = [f'"{kind}"'.encode() for kind in kinds]
        lines = [line for line in self._lines(everything) if not names or any(name in line for name in names)]
        return [event for event in map(json.loads, lines) if not kinds or event["event"] in kinds]

    def _lines(self, everything: bool) -> Iterator[bytes]:
        """Whole lines of the file, which may be of a hundred thousand connections: few are worth to be parsed."""
        if self._file.exists():
            with self._file.open("rb") as file:
                file.seek(0 if everything else self._from)
                yield from (line for line in file if line.endswith(b"\n"))

    def await_events(self, kind: str, count: int, timeout: float = 30) -> list[Event]:
        """At least so many events of a kind; they pass through a queue and another process before they are here."""
        deadline = time.monotonic() + timeout
        while len(found := self.events(kind)) < count:
            assert time.monotonic() < deadline, f"{len(found)} of {count} '{kind}' at '{self.name}': {self.events()}"
            time.sleep(0.05)
        return found

    def await_event(self, wanted: Callable[[Event], bool], timeout: float = 30) -> None:
        """One event of the test that is wanted."""
        deadline = time.monotonic() + timeout
        while not any(map(wanted, self.events())):
            assert time.monotonic() < deadline, f"not at '{self.name}': {self.events()}"
            time.sleep(0.05)

    def await_closed(self, count: int, timeout: float = 30) -> None:
        """At least so many connections have begun, and all that have are closed."""
        self.await_events("Connecting", count)
        deadline = time.monotonic() + timeout
        while left := self._flows("Connecting") - self._flows("Closed"):
            story = [str(event) for event in self.events() if event["flow"] in left]
            assert time.monotonic() < deadline, f"not closed at '{self.name}':\n" + "\n".join(story)
            time.sleep(0.1)

    def _flows(self, kind: str) -> set[object]:
        return {event["flow"] for event in self.events(kind)}


def both() -> dict[str, Node]:
    """The nodes of the lab, by name."""
    folder = Path(os.environ["LAB_NODES"])
    return {
        "node-a": Node("node-a", folder / "node-a", "10.77.0.1", "fd77::1"),
        "node-b": Node("node-b", folder / "node-b", "10.77.0.2", "fd77::2"),
    }
