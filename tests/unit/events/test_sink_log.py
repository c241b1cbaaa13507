# SPDX-License-Identifier: Apache-2.0
"""The sink 'log': its blocks, in order, and nothing that a process or a peer wrote passing for a line of ours."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from uuid import uuid4

import pytest

from tlshub_core.api import Event, Reason, events
from tlshub_core.events import log
from tlshub_core.events.connection import Connection
from tlshub_core.events.recent import Recent
from tlshub_core.testing.every_event import UNUSUAL, one_of_each
from tlshub_core.testing.sink import EventSinkConformance


class TestLogToFile(EventSinkConformance):
    spec = next(iter(log.tlshub_event_sinks()))
    supports = ("installed",)

    def options(self, folder: Path) -> Mapping[str, object]:
        return {"path": folder / "log"}


class TestLogToStdout(EventSinkConformance):
    spec = next(iter(log.tlshub_event_sinks()))
    supports = ("installed",)


def printed(path: Path, *batches: Sequence[Event]) -> list[str]:
    sink = log.LogSink(log.LogConfig(path=path))
    sink.open()
    for batch in batches:
        sink.write(batch)
    sink.close()
    text = path.read_text(encoding="utf-8")
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}", "NOW", text).splitlines()


def without(batch: list[Event], *kinds: type[Event]) -> list[Event]:
    return [event for event in batch if not isinstance(event, kinds)]


BLOCK = [
    "",
    "=== New TCP Connection Detected ===",
    "Time: NOW",
    "Source: 10.0.0.1:40000",
    "Destination: [fd00::2]:80",
    "PID: 7 (text)",
    "Rule: 'text' (require, outgoing, peer 'text')",
    "Fetching TLS key...",
    "TLS key obtained successfully (aes-gcm-128, from 'text')",
    "KTLS configured successfully (set up in 0 us, held 0 us)",
]


def test_a_connection_is_one_block(tmp_path: Path) -> None:
    assert printed(tmp_path / "log", one_of_each()[:6]) == BLOCK


def test_blocks_of_flows_that_interleave_do_not(tmp_path: Path) -> None:
    one, other = one_of_each()[:6], one_of_each()[:6]
    mixed = [event for pair in zip(one, other, strict=True) for event in pair]
    assert printed(tmp_path / "log", *[[event] for event in mixed]) == BLOCK * 2


def test_refused_and_released_say_why(tmp_path: Path) -> None:
    batch = without(one_of_each(), events.Secured, events.Refused, events.KeysReady)[:5]
    assert printed(tmp_path / "log", batch)[-2:] == [
        "Fetching TLS key...",
        "Connection released in clear: deadline (text)",
    ]
    refused = events.Refused(time_ns=1, flow=uuid4(), reason=Reason.PEER_REFUSED, detail="")
    assert printed(tmp_path / "other", [refused])[-2:] == ["PID: unknown", "Connection refused: peer-refused"]


def test_a_closed_connection_says_how_long_and_how_much(tmp_path: Path) -> None:
    begun = one_of_each()[0]
    at, moved = begun.time_ns + 65_400_000_000, {"bytes_sent": 1, "bytes_received": 1_234_567}
    closed = events.Closed(time_ns=at, flow=begun.flow, secured=True, restarts=0, **moved)
    lines = printed(tmp_path / "log", [begun, closed])
    assert lines[1] == BLOCK[1], "a connection that nothing was decided about is shown when it closes"
    ends = "10.0.0.1:40000 -> [fd00::2]:80"
    assert lines[-1] == f"NOW Connection closed: {ends} (KTLS, 1 min 5 s, sent 1 byte, received 1.2 MB)"


def test_a_second_decision_is_a_line(tmp_path: Path) -> None:
    lines = printed(tmp_path / "log", one_of_each()[:6], [e for e in one_of_each() if isinstance(e, events.Reloaded)])
    assert lines == [*BLOCK, "NOW Could not reload text: text"]
    flow = uuid4()
    twice = [e for e in one_of_each(flow) if isinstance(e, events.Secured | events.Refused)]
    assert printed(tmp_path / "other", twice)[-1] == (
        "NOW 10.0.0.1:40000 -> [fd00::2]:80: Connection refused: peer-unknown (text)"
    )


@pytest.mark.parametrize(
    "text", [UNUSUAL, "\n=== New TCP Connection Detected ===\n", "\x1b]0;owned\x07", "\x85\u2028x"]
)
def test_foreign_text_makes_no_line_and_no_control(tmp_path: Path, text: str) -> None:
    plain, foreign = printed(tmp_path / "plain", one_of_each()), printed(tmp_path / "foreign", one_of_each(text=text))
    assert len(foreign) == len(plain)
    assert all(line.isprintable() for line in foreign)
    assert sum(line.startswith("=== New") for line in foreign) == 1


def test_a_worn_key_is_a_line_of_its_connection(tmp_path: Path) -> None:
    begun = one_of_each()[0]
    worn = events.KeyLimit(
        time_ns=1, flow=begun.flow, sent=True, records=17_794_924, bytes=291_552_034_816, closed=False
    )
    assert printed(tmp_path / "log", [begun, worn]) == [
        "NOW 10.0.0.1:40000 -> [fd00::2]:80: KEY LIMIT, 17794924 records, 291.6 GB sent with one key: it goes on; "
        "a new connection gets a new key"
    ]


def test_a_session_names_its_library(tmp_path: Path) -> None:
    up = events.SessionUp(time_ns=0, node="b", address="10.0.0.2", dialler=True, library="Stone 1.2")
    assert printed(tmp_path / "log", [up]) == [
        "NOW Session with node 'b' at 10.0.0.2 is up (dialled by this node, Stone 1.2)"
    ]


def test_what_was_decided_without_an_agent(tmp_path: Path) -> None:
    alone = events.Unattended(time_ns=0, released=1, refused=20, since_ns=7)
    assert printed(tmp_path / "log", [alone]) == [
        "NOW While no agent watched, 1 connections were released in clear, 20 refused"
    ]


def test_times_are_those_of_the_wall_clock(tmp_path: Path) -> None:
    sink = log.LogSink(log.LogConfig(path=tmp_path / "log"))
    before = time.time()
    sink.write([events.Reloaded(time_ns=time.monotonic_ns(), what="rules", ok=True, detail="")])
    stamp, _, rest = (tmp_path / "log").read_text().partition(".")
    shown = time.mktime(time.strptime(stamp, "%Y-%m-%d %H:%M:%S"))
    assert int(before) <= shown <= time.time()
    assert rest[3:] == " Reloaded rules\n"


def test_what_is_remembered_is_bounded(tmp_path: Path) -> None:
    sink = log.LogSink(log.LogConfig(path=tmp_path / "log"))
    sink._connections = Recent(Connection, limit=10)
    for _ in range(50):
        sink.write(one_of_each()[:6])
    assert len(sink._connections) == 10
