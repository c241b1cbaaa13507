# SPDX-License-Identifier: Apache-2.0
"""The server against callers of every kind: it answers those that may ask, and goes on whatever the others do."""

from __future__ import annotations

import logging
import os
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.control.serving import GOOD, QUICK, caller, failure, last, said, serving
from tlshub_core.control import requests
from tlshub_core.control.answers import BypassAnswer
from tlshub_core.control.binding import Caller
from tlshub_core.control.client import CommandError, ask
from tlshub_core.control.conversation import Limits, Send
from tlshub_core.control.requests import Bypass, Flows, Request, Status

ANSWER = ("answer", {"on": True, "left_s": 7})
NOBODY = 65534
RESET = struct.pack("=ii", 1, 0)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("served") / "control.sock"
    with serving(path, limits=QUICK):
        yield path
        assert said(path, GOOD) == ANSWER, "it still answers at the end"


def test_it_answers_and_takes_its_socket_away(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with serving(path):
        assert said(path, GOOD) == ANSWER
        assert ask(path, Bypass(on=False, minutes=1), BypassAnswer) == BypassAnswer(on=False, left_s=1)
    assert not path.exists()
    with pytest.raises(CommandError, match="no agent is running at"):
        ask(path, Status(), BypassAnswer)


@given(st.binary(min_size=1, max_size=300), st.lists(st.integers(0, 300), max_size=3))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_noise_in_any_pieces_is_answered_with_an_error(served: Path, noise: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(noise)]
    pieces = [noise[start:end] for start, end in pairwise(edges)]
    assert "the request is not understood: " in failure(said(served, *pieces, end=True))


@given(st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_request_that_is_damaged_anywhere_is_answered(served: Path, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(GOOD) - 1))
    damaged = GOOD[:at] + bytes([data.draw(st.integers(0, 255))]) + GOOD[at + 1 :]
    kind, _ = said(served, damaged, end=True)
    assert kind in ("error", "answer")
    assert kind == "error" or requests.decode(damaged.split(b"\n")[0]).__class__ is Bypass


def test_a_request_in_single_bytes_is_one(served: Path) -> None:
    assert said(served, *(GOOD[at : at + 1] for at in range(len(GOOD)))) == ANSWER


def test_what_comes_after_the_request_is_not_heard(served: Path) -> None:
    assert said(served, GOOD + GOOD + b"\xff" * 100_000) == ANSWER


def test_one_without_end_is_refused(served: Path) -> None:
    assert "it is longer than 4096 bytes" in failure(said(served, b"[" * 5000))
    assert "it is cut off: it has to be a whole line" in failure(said(served, GOOD[:-1], end=True))


def test_who_does_not_ask_is_not_waited_for(served: Path) -> None:
    begun = time.monotonic()
    with caller(served) as sock:
        sock.sendall(GOOD[:10])
        assert "it was not there within 0.3 s" in failure(last(sock))
    assert time.monotonic() - begun < 5


def test_who_hangs_up_or_resets_disturbs_nobody(served: Path) -> None:
    for sent in (b"", GOOD[:5], GOOD, requests.encode(Flows(state="", limit=50))):
        with caller(served) as sock:
            sock.sendall(sent)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        assert said(served, GOOD) == ANSWER


def test_who_does_not_take_the_answer_is_let_go(served: Path) -> None:
    with caller(served) as sock:
        sock.sendall(requests.encode(Flows(state="", limit=100_000)))
        time.sleep(1)
        assert said(served, GOOD) == ANSWER
        assert last(sock)[0] == "rows", "it would have got all of it, had it been waited for"


def test_many_at_once_are_bounded_and_the_next_is_served(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with serving(path, limits=Limits(connections=3, request_s=0.5)):
        idle = [socket.socket(socket.AF_UNIX) for _ in range(3)]
        for sock in idle:
            sock.connect(os.fspath(path))
        assert failure(said(path, GOOD)) == "3 others are being answered: try again"
        for sock in idle:
            assert "it was not there within 0.5 s" in failure(last(sock))
            sock.close()
        assert said(path, GOOD) == ANSWER


def test_hundreds_of_connections_leave_nothing_behind(served: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for number in range(300):
        with caller(served) as sock, suppress(BrokenPipeError):  # refused, for there are enough
            sock.sendall(GOOD if number % 3 else GOOD[: number % 40])
    deadline = time.monotonic() + 10
    while len(os.listdir("/proc/self/fd")) > before + 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(os.listdir("/proc/self/fd")) <= before + 2
    assert said(served, GOOD) == ANSWER


def test_another_user_is_refused_though_the_mode_lets_it_connect(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if os.geteuid():
        pytest.skip("needs root: to become another user")
    path = tmp_path / "control.sock"
    with serving(path), caplog.at_level(logging.WARNING):
        path.chmod(0o666)
        tmp_path.chmod(0o755)
        assert f"user {NOBODY} (process " in (refused := failure(_as_nobody(path, GOOD)))
        assert "may not give orders to this agent: ask as root" in refused
        assert said(path, GOOD) == ANSWER
    assert f"user {NOBODY} (process" in caplog.text


def test_another_user_cannot_even_connect(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("needs root: to become another user")
    path = tmp_path / "control.sock"
    with serving(path):
        tmp_path.chmod(0o755)
        assert _as_nobody(path, GOOD) == ("denied", None)


def _as_nobody(path: Path, request: bytes) -> tuple[str, object]:
    """What a process of another user is answered; it goes there by a relative path, since folders above are private."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        try:
            os.chdir(path.parent)
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            _relay(theirs, path.name, request)
        finally:
            os._exit(0)
    theirs.close()
    os.waitpid(pid, 0)
    with ours:
        return last(ours)


def _relay(back: socket.socket, name: str, request: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        try:
            sock.connect(name)
        except PermissionError:
            back.sendall(b'{"denied":null}\n')
            return
        with suppress(BrokenPipeError):
            sock.sendall(request)
        back.sendall(sock.recv(65536))


async def _bug(request: Request, caller: Caller, send: Send) -> BypassAnswer:
    raise KeyError("a bug")


def test_a_bug_is_said_and_logged_and_the_next_is_served(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "control.sock"
    with serving(path, _bug):
        for _ in range(2):
            assert failure(said(path, GOOD)) == "bug in the agent: KeyError: see its log"
    assert "Traceback" in caplog.text
