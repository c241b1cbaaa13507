# SPDX-License-Identifier: Apache-2.0
"""Agents that come and go between measurements: how many run decides what the whole kernel does.

Each is the real agent, forked from this process, which has imported it already: started anew, Python alone takes
seconds under emulation, in which the machine drifts.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import redirect_stdout, suppress
from functools import partial
from io import StringIO
from pathlib import Path

import tlshub_capture_bpf.node_backend
import tlshub_capture_openssl.engine
import tlshub_capture_podmap_file.source

import tlshub_core.agent
import tlshub_core.cli.detach
import tlshub_core.detaching
import tlshub_core.service
from bench.cpu import seconds
from bench.measurement import BACKENDS
from bench.variants import Phase
from tests.lab.kit.agent import READY
from tests.lab.kit.changed import changed
from tests.lab.kit.job import Job, Say
from tests.lab.kit.node import Node
from tlshub_core.cli.main import main

PRELOADED = (
    tlshub_core.agent,
    tlshub_core.cli.detach,
    tlshub_core.detaching,
    tlshub_core.service,
    tlshub_capture_bpf.node_backend,
    tlshub_capture_openssl.engine,
    tlshub_capture_podmap_file.source,
)
_PATIENCE_S, _QUIET_S, _IDLE = 90.0, 0.5, 0.02


class Agents:
    """`want` has exactly the agents of a phase run."""

    def __init__(self, nodes: Mapping[str, Node], folder: Path, rule: str) -> None:
        self._nodes, self._folder, self._rule = nodes, folder, rule
        self._jobs: dict[str, Job[None]] = {}
        self._backend = ""

    @property
    def pids(self) -> dict[str, int]:
        """By node."""
        return {name: job.pid for name, job in self._jobs.items()}

    def want(self, phase: Phase) -> None:
        """Stop those that are too many, start those that lack, and wait until they capture."""
        kept = phase.nodes if phase.backend == self._backend else ()
        for name in [name for name in self._jobs if name not in kept]:
            self._jobs.pop(name).kill(signal.SIGTERM)
            detach(self._nodes[name])
        self._backend = phase.backend
        lacking = [name for name in phase.nodes if name not in self._jobs]
        for name in lacking:
            (self._folder / f"{name}.log").unlink(missing_ok=True)
            file = configuration(self._nodes[name], phase.backend, self._folder)
            work = partial(_agent, file=file, rule=self._rule, log=self._folder / f"{name}.log")
            self._jobs[name] = self._nodes[name].start(work)
        for name in lacking:
            self._ready(name)
        for name in lacking:
            settled(self._jobs[name].pid)

    def _ready(self, name: str) -> None:
        log, deadline = self._folder / f"{name}.log", time.monotonic() + _PATIENCE_S
        while not log.exists() or READY not in log.read_text():
            if time.monotonic() > deadline:
                raise TimeoutError(f"the agent of '{name}' does not start: {log.read_text()}")
            time.sleep(0.02)


def settled(pid: int) -> None:
    """Returns when it and all below it are idle: what an agent leaves until it captures would be taken for its cost."""
    deadline, used = time.monotonic() + _PATIENCE_S, -1.0
    while time.monotonic() < deadline:
        before = used
        with suppress(FileNotFoundError, ProcessLookupError):  # a child ended while it was looked at
            used = seconds([pid])
        if 0 <= before <= used < before + _IDLE * _QUIET_S:
            return
        time.sleep(_QUIET_S)
    raise TimeoutError(f"process {pid} is never idle: see what it does")


def configuration(node: Node, backend: str, folder: Path) -> Path:
    """A file in this folder: the lab's, without a key log, which costs a file access for each connection.

    Events of agents of another backend than 'libbpf' are not among the lab's.
    """
    changes = {"capture.backend": f'"{backend}"', "events.sinks": '["jsonl"]'}
    if backend != BACKENDS[0]:
        changes["plugin.jsonl.path"] = f'"{folder}/{node.name}-{backend}.jsonl"'
    file = folder / f"{node.name}.toml"
    file.write_text(re.sub(r"\[debug\]\n[^\[]*", "", changed(node.agent.configuration.read_text(), changes)))
    return file


def detach(node: Node) -> None:
    """No program of that node's agent, which has ended, is in the kernel any more."""
    node.start(partial(_detach, file=node.agent.configuration)).result()


def _detach(_say: Say, file: Path) -> None:
    with redirect_stdout(StringIO()) as said:
        status = main(["detach", str(file)], standalone_mode=False)
    assert not status, said.getvalue()


def _agent(_say: Say, file: Path, rule: str, log: Path) -> None:
    sink = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    sys.argv = ["tlshub-capture", "run", str(file), "--rule", rule]
    try:
        main()
    except SystemExit as ended:
        print(f"agent ended with status {ended.code}", flush=True)
