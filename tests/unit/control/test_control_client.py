# SPDX-License-Identifier: Apache-2.0
"""The client against agents that are not there, do not answer, or answer anything but what they should."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.control.serving import serving
from tlshub_core.control import binding, client, requests
from tlshub_core.control.answers import BypassAnswer, FlowsAnswer
from tlshub_core.control.client import CommandError, ask
from tlshub_core.control.requests import Bypass, Flows, Status

GOOD = b'{"answer":{"on":true,"left_s":null}}\n'


@contextmanager
def answering(path: Path, answer: bytes) -> Iterator[None]:
    """Somebody who says that, whatever is asked, and hangs up."""

    def serve(sock: socket.socket) -> None:
        found, _ = sock.accept()
        with found:
            found.recv(requests.LIMIT)
            found.sendall(answer)

    with binding.claim(path) as sock:
        thread = threading.Thread(target=serve, args=(sock,))
        thread.start()
        try:
            yield
        finally:
            thread.join(10)
    path.unlink()


pieces = st.lists(st.sampled_from([GOOD, b'{"rows":[1]}\n', b"{}\n"]), max_size=4).map(b"".join)


@given(st.binary(max_size=200) | pieces)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_answer_is_one_or_an_error(tmp_path: Path, answer: bytes) -> None:
    with answering(tmp_path / "control.sock", answer):
        try:
            found = ask(tmp_path / "control.sock", Status(), BypassAnswer)
        except CommandError:
            return
    assert found == BypassAnswer(on=True, left_s=None)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"", "cannot be reached: connection reset by peer"),
        (b'{"answer":{"on":1,"left_s":null}}\n', "field 'on' is of type 'int', expected 'bool'"),
        (b'{"answer":{"on":true,"left_s":null,"more":1}}\n', "unknown field 'more'"),
        (b'{"answer":{"on":true,"left_s":1%s}}\n' % (b"0" * 400), "field 'left_s' has more than 64 bits"),
        (b'{"later":{}}\n', "what this release does not understand: 'later' is unknown"),
        (b'{"error":{"message":"no","file":"","table":"","key":""}}\n', "^no$"),
        (GOOD[:-1], "a line of it is too long, or cut off"),
        (b"x" * (1 << 20) + b"\n", "a line of it is too long, or cut off"),
    ],
)
def test_wrong_answers_are_named(tmp_path: Path, answer: bytes, message: str) -> None:
    path = tmp_path / "control.sock"
    with answering(path, answer), pytest.raises(CommandError, match=message):
        ask(path, Status(), BypassAnswer)


def test_rows_come_before_the_answer_they_belong_to(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    row = b'{"id":"i","side":"client","client":"c","server":"s","peer":"","pid":0,"comm":"","state":"open",'
    row += b'"reason":"","rule":"r","mode":"require","provider":"p","cipher":"","age_ms":1,"hold_ms":0}'
    answer = b'{"rows":[' + row + b"," + row + b']}\n{"rows":[' + row + b']}\n{"answer":{"total":9,"flows":[]}}\n'
    with answering(path, answer):
        found = ask(path, Flows(state="", limit=3), FlowsAnswer, "flows")
    assert (found.total, len(found.flows), found.flows[2].state) == (9, 3, "open")


def test_nobody_is_there(tmp_path: Path) -> None:
    path = tmp_path / "run" / "control.sock"
    what = "start it with 'tlshub-capture run', or name its '--socket'"
    with pytest.raises(CommandError, match=rf"no agent is running at '{path}' \(no such file or directory\): {what}"):
        ask(path, Status(), BypassAnswer)
    binding.claim(path).close()
    with pytest.raises(CommandError, match=r"no agent is running at .* \(connection refused\)"):
        ask(path, Status(), BypassAnswer)


def test_one_that_is_stopped_is_not_waited_for_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PATIENCE_S", 1.0)
    path = tmp_path / "control.sock"
    with binding.claim(path) as kept:
        with pytest.raises(CommandError, match="does not answer: see its log, and whether it is stopped"):
            ask(path, Status(), BypassAnswer)
        kept.listen(0)
        waiting = [socket.socket(socket.AF_UNIX) for _ in range(3)]
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(os.fspath(path))
        with pytest.raises(CommandError, match="does not answer: see its log, and whether it is stopped"):
            ask(path, Status(), BypassAnswer)


def test_many_clients_at_once_wait_for_room_in_the_queue(tmp_path: Path) -> None:
    path, found, wrong = tmp_path / "control.sock", [], []

    def call(minutes: int) -> None:
        try:
            found.append(ask(path, Bypass(on=True, minutes=minutes), BypassAnswer).left_s)
        except CommandError as error:
            wrong.append(str(error))

    with serving(path):
        threads = [threading.Thread(target=call, args=(number,)) for number in range(60)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    assert len(found) + len(wrong) == 60 and found
    assert all("others are being answered: try again" in message for message in wrong), wrong
