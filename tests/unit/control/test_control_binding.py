# SPDX-License-Identifier: Apache-2.0
"""The socket in the file system: private from the first moment, one agent's at a time, a dead one's given up."""

from __future__ import annotations

import errno
import os
import signal
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from tlshub_core.control import binding
from tlshub_core.types.errors import TlshubError, Unavailable


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "control.sock"


@contextmanager
def another(path: Path) -> Iterator[int]:
    """Another process has the socket; its pid."""
    pid, pipe = started(path)
    assert pipe.recv() == "mine"
    try:
        yield pid
    finally:
        end(pid)


def started(path: Path) -> tuple[int, Connection]:
    """A process that claims the socket, says 'mine' or why not, and stays."""
    ours, theirs = Pipe(duplex=False)
    pid = os.fork()
    if pid == 0:
        try:
            _claims(path, theirs)
        finally:
            os._exit(1)
    return pid, ours


def _claims(path: Path, pipe: Connection) -> None:
    try:
        kept = [binding.claim(path)]
        pipe.send("mine" if kept else "")
    except TlshubError as error:
        pipe.send(str(error))
    signal.pause()


def end(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_folder_and_socket_are_private(path: Path) -> None:
    before = os.umask(0)
    try:
        with binding.claim(path):
            assert (mode(path.parent), mode(path)) == (0o700, 0o600)
            assert mode(path.with_name("control.sock.lock")) == 0o600, "who can open it can hold it"
    finally:
        os.umask(before)


def test_nobody_can_connect_before_the_mode_is_set(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    listen = socket.socket.listen

    def looked_at(sock: socket.socket, backlog: int) -> None:
        with socket.socket(socket.AF_UNIX) as early:
            seen.append((mode(path), early.connect_ex(os.fspath(path))))
        listen(sock, backlog)

    monkeypatch.setattr(socket.socket, "listen", looked_at)
    before = os.umask(0)
    try:
        binding.claim(path).close()
    finally:
        os.umask(before)
    assert [(found, os.strerror(error)) for found, error in seen] == [(0o600, "Connection refused")]


def test_the_socket_of_a_dead_agent_gives_way(path: Path) -> None:
    with another(path):
        pass
    assert path.exists()
    with binding.claim(path), socket.socket(socket.AF_UNIX) as caller:
        caller.connect(os.fspath(path))
        assert binding.Caller.of(caller).pid == os.getpid()
        assert mode(path) == 0o600


def test_the_socket_of_a_live_agent_stays_and_its_pid_is_said(path: Path) -> None:
    with another(path) as pid:
        inode = path.lstat().st_ino
        with pytest.raises(Unavailable, match=f"another agent is running, pid {pid}: stop it"):
            binding.claim(path)
        assert path.lstat().st_ino == inode


def test_one_whose_queue_is_full_is_alive(path: Path) -> None:
    with binding.claim(path) as kept:
        kept.listen(0)
        callers = [socket.socket(socket.AF_UNIX) for _ in range(4)]
        for caller in callers:
            caller.setblocking(False)
        errors = {caller.connect_ex(os.fspath(path)) for caller in callers}
        assert errno.EAGAIN in errors
        with pytest.raises(Unavailable, match="another agent is running: stop it"):
            binding.claim(path)


def test_of_agents_that_start_at_once_one_gets_it(path: Path) -> None:
    with another(path):
        pass  # what a dead one left is what they would take away from each other
    pipes = [started(path) for _ in range(12)]
    outcomes = [pipe.recv() for _, pipe in pipes]
    with socket.socket(socket.AF_UNIX) as caller:
        caller.connect(os.fspath(path))
        winner = binding.Caller.of(caller).pid
    for pid, _ in pipes:
        end(pid)
    assert outcomes.count("mine") == 1
    assert pipes[outcomes.index("mine")][0] == winner


def test_what_is_no_socket_stays(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("precious")
    with pytest.raises(TlshubError, match="cannot be had: there is something else of that name; see 'socket'"):
        binding.claim(path)
    assert path.read_text() == "precious"


@pytest.mark.parametrize("bits", [0o770, 0o707, 0o1777])
def test_a_folder_that_others_may_write_to_is_refused(path: Path, bits: int) -> None:
    path.parent.mkdir()
    path.parent.chmod(bits)
    with pytest.raises(TlshubError, match="others than this user and root may write to"):
        binding.claim(path)
    assert not path.exists()


def test_a_folder_of_another_user_is_refused(path: Path) -> None:
    path.parent.mkdir(mode=0o755)
    try:
        os.chown(path.parent, 65534, 65534)
    except PermissionError:
        pytest.skip("needs root: to give a folder away")
    with pytest.raises(TlshubError, match="others than this user and root may write to"):
        binding.claim(path)


def test_what_cannot_be_made_is_said(path: Path) -> None:
    with pytest.raises(TlshubError, match="cannot be had: no such file or directory"):
        binding.claim(path.parent / "more" / path.name)
    with pytest.raises(TlshubError, match="cannot be had: AF_UNIX path too long"):
        binding.claim(path.with_name("x" * 200))


def test_only_the_own_socket_is_taken_away(path: Path) -> None:
    with binding.claim(path):
        inode = path.lstat().st_ino
        binding.remove(path, inode + 1)
        assert path.exists()
        binding.remove(path, inode)
        assert not path.exists()
        binding.remove(path, inode)
