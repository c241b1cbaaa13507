# SPDX-License-Identifier: Apache-2.0
"""What others choose (names, numbers, how many ask) does not make the sink grow, nor stop it."""

from __future__ import annotations

import socket
from contextlib import ExitStack, suppress

import pytest
from tlshub_capture_prometheus import server

from plugins.prometheus.tests.scrapes import Scraped, everything, series, text
from tests.unit.events.lives import Life
from tests.unit.events.sinks_for_tests import wait_until
from tlshub_core.api import State
from tlshub_core.testing.every_event import UNUSUAL, one_of_each
from tlshub_core.testing.pair import free_port

ASKED_AT_ONCE = 16


def test_no_label_says_who(scraped: Scraped) -> None:
    secret = "chosen-by-others"
    scraped.write(*Life(comm=secret).whole(), *one_of_each(text=UNUSUAL))
    shown = text(scraped.port)
    for said in (secret, "10.0.0.", "fd00::2", "40000", '"web"', "New TCP Connection", "\x1b"):
        assert said not in shown


def test_names_of_providers_are_few(scraped: Scraped) -> None:
    for number in range(1000):
        scraped.write(*Life(provider=f"made-up-{number}").whole())
    named = {dict(labels)["provider"] for labels in scraped.all("setup_seconds_count")}
    assert len(named) == 33 and "other" in named
    assert sum(scraped.all("setup_seconds_count").values()) == 1000


def test_the_number_of_series_does_not_follow_the_number_of_connections(scraped: Scraped) -> None:
    scraped.write(*everything())
    before = len(series(text(scraped.port)))
    for _ in range(50):
        scraped.write(*everything())
    assert len(series(text(scraped.port))) == before


def test_connections_whose_end_is_lost_are_forgotten() -> None:
    few = Scraped(free_port(), limit=10)
    lives = [Life() for _ in range(25)]
    for life in lives:
        few.write(*life.whole()[:-1])
    assert few.get("connections_open", standing="secured") == 10
    assert few.get("connections_forgotten_total") == 15
    for life in lives:
        few.write(life.closed(1, 0, secured=True))
    assert few.get("connections_open", standing="secured") == 0
    assert few.get("payload_bytes_total", outcome="secured", direction="sent") == 25
    few.sink.close()


def test_the_one_that_is_forgotten_was_heard_of_least_lately() -> None:
    few = Scraped(free_port(), limit=2)
    busy, quiet, other = Life(), Life(), Life()
    few.write(busy.taken_over(State.NEW), quiet.taken_over(State.CLEAR), busy.asked(), other.connecting())
    few.write(quiet.closed(5, 0), busy.closed(7, 0))
    assert few.get("payload_bytes_total", outcome="unknown", direction="sent") == 5
    assert few.get("payload_bytes_total", outcome="undecided", direction="sent") == 7
    few.sink.close()


def test_who_asks_and_says_nothing_keeps_others_out_for_a_while_only(
    scraped: Scraped, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(server._Handler, "timeout", 5.0)
    with ExitStack() as silent:
        for _ in range(ASKED_AT_ONCE):
            silent.enter_context(socket.create_connection(("127.0.0.1", scraped.port)))
        late = silent.enter_context(socket.create_connection(("127.0.0.1", scraped.port)))
        late.settimeout(4)
        assert late.recv(1) == b"", "one more is hung up on, at once"
        wait_until(lambda: _answers(scraped.port))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    "said", [b"\x16\x03\x01\x00\x05hello", b"GET\r\n\r\n", b"A" * 70000 + b"\r\n", b"POST / HTTP/1.1\r\n\r\n"]
)
def test_what_is_no_question_is_no_trouble(scraped: Scraped, capfd: pytest.CaptureFixture[str], said: bytes) -> None:
    with socket.create_connection(("127.0.0.1", scraped.port)) as other:
        other.sendall(said)
        other.shutdown(socket.SHUT_WR)
        other.settimeout(20)
        with suppress(ConnectionResetError):
            assert b"tlshub_capture_build_info" not in other.recv(65536)
    assert _answers(scraped.port)
    assert capfd.readouterr().err == ""


def _answers(port: int) -> bool:
    try:
        return "build_info" in text(port)
    except OSError:
        return False
