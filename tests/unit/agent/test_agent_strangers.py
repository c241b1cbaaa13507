# SPDX-License-Identifier: Apache-2.0
"""The whole agent, natively, and a local user without privilege: nothing of it can be read, changed or asked."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.memory import unlocked
from tests.stranger import UID, got_through, on_file, on_process, on_programs, on_socket
from tests.unit.agent.test_agent_observe import Running, agent
from tlshub_core.privileges import RUNNING, excess

__all__ = ["agent"]
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: to become another user")


def family(pid: int) -> list[int]:
    """A process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """Pytest's own folder is private, which would refuse a stranger before the agent's files do."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o711)
        yield Path(name)


def test_a_stranger_gets_nothing(agent: Running) -> None:
    agent.configure("all")
    agent.start()
    assert got_through([("folder", lambda: os.stat(agent.folder / "capture.toml"))]), "the test itself is in the way"
    running = family(agent.process.pid)
    assert len(running) == 2, "an agent and its sink"
    attempts = [attempt for pid in running for attempt in on_process(pid)]
    attempts += [one for name in ("events.jsonl", "here-key.pem") for one in on_file(agent.folder / name, secret=True)]
    attempts += [one for name in ("here.pem", "ca.pem") for one in on_file(agent.folder / name, secret=False)]
    attempts += [*on_file(agent.folder / "control.sock", secret=False), *on_socket(agent.folder / "control.sock")]
    attempts += on_file(agent.folder / "control.sock.lock", secret=True)
    programs = list(on_programs())
    assert {name.split()[0] for name, _ in programs} == {"prog", "map", "link"}
    assert got_through([*attempts, *programs]) == []
    assert agent.end() == 0, agent.text()


def test_a_stranger_gets_at_what_is_its_own(tmp_path: Path) -> None:
    """The control: each attempt is one that works where it is allowed."""
    words = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "/bin/sleep", "60"]
    with subprocess.Popen(words) as victim:
        while "sleep" not in Path(f"/proc/{victim.pid}/comm").read_text():
            time.sleep(0.01)
        attempts = [*on_process(victim.pid)]
        done = {line.split(": ")[0] for line in got_through(attempts)}
        victim.kill()
    may_lack = {f"/proc/{victim.pid}/{name}" for name in ("stack", "map_files", "syscall", "personality")}
    tracing = {f"{victim.pid} traced", f"{victim.pid} robbed of a descriptor"}  # Yama may forbid what is no child
    assert {name for name, _ in attempts} - done <= may_lack | tracing
    file = tmp_path / "file"
    file.touch()
    os.chown(file, UID, UID)
    os.chown(tmp_path, UID, UID)
    assert len(got_through(on_file(file, secret=True))) == 5


def test_what_takes_the_agent_over_gets_what_it_kept(agent: Running) -> None:
    agent.configure("all")
    agent.start()
    main, sink = (Path(f"/proc/{pid}") for pid in family(agent.process.pid))
    assert excess(RUNNING, main) == () == excess((), sink)
    for process in (main, sink):
        status = (process / "status").read_text().splitlines()
        assert "NoNewPrivs:\t1" in status and "CapAmb:\t0000000000000000" in status
    assert agent.end() == 0, agent.text()


def test_pages_that_may_hold_keys_are_locked(agent: Running) -> None:
    agent.configure("all")
    agent.start()
    if "memory is not locked" in agent.text():
        pytest.skip("this machine does not let the agent lock its memory (needs CAP_IPC_LOCK)")
    assert unlocked(agent.process.pid) == []
    assert agent.end() == 0, agent.text()
