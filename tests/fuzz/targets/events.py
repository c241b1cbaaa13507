# SPDX-License-Identifier: Apache-2.0
"""Lines that the process of a sink reads, in pieces (the first byte is their size): events that its sink can write."""

from __future__ import annotations

import csv
import json
import socket
from collections.abc import Iterable, Sequence
from pathlib import Path
from uuid import UUID

from tests.fuzz.kit.scratch import scratch
from tests.fuzz.kit.target import Target
from tests.fuzz.kit.words import both_ways, text_of
from tlshub_core.api import Event, EventSink
from tlshub_core.events.csv import CsvConfig, CsvSink
from tlshub_core.events.human import printable
from tlshub_core.events.line import line_of
from tlshub_core.events.log import LogConfig, LogSink
from tlshub_core.events.row import COLUMNS
from tlshub_core.events.sink_process import _batches, _write
from tlshub_core.testing.every_event import UNUSUAL, one_of_each
from tlshub_core.types.errors import Reason
from tlshub_core.types.events import KINDS, decode, encode

_MOST_PIECES = 100  # a socket takes more than that many without a reader
_FLOW = UUID(int=7)
_TEXTS = ("client", "server", "rule", "peer", "comm", "provider", "cipher", "detail")
_EVENTS = [*one_of_each(_FLOW, "text"), *one_of_each(_FLOW, UNUSUAL)]
_KEYS = sorted({key for event in _EVENTS for key in encode(event)})
WORDS = (
    *(b'"%s":' % key.encode() for key in _KEYS), *(b'"%s"' % kind.__name__.encode() for kind in KINDS),
    *(b'"%s"' % reason.value.encode() for reason in Reason), b'"%s"' % str(_FLOW).encode(),
    b'"client"', b'"require"', b'"\\u001b\\n"', b"{", b"}", b",", b"1", b"-1", b"9" * 64, b"true", b"null", b"NaN",
    b"\n", b"[" * 64,
)  # fmt: skip


def _seeds() -> Iterable[bytes]:
    each = [line_of(event) for event in _EVENTS]
    for step in (b"\0", b"\xff"):
        yield from (step + text for text in both_ways((*each, b"".join(each[:3]), each[0][:-1], b"\n"), WORDS))


def _one(data: bytes) -> Iterable[str]:
    stream = text_of(data[1:], WORDS)
    step = 64 * (data[0] + 1) if data else 1
    lines = [line for batch in _in_pieces(stream, max(step, len(stream) // _MOST_PIECES + 1)) for line in batch]
    assert lines == stream.split(b"\n")[:-1], "a line that came is not the one that was sent"
    found = [(line, _event(line)) for line in lines]
    _can_be_logged([line for line, event in found if event])
    _can_be_a_table([line for line, event in found if event])
    return {type(event).__name__ for _, event in found if event}


def _in_pieces(data: bytes, step: int) -> Iterable[Sequence[bytes]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)  # a piece is what one call gets
    with theirs:
        with ours:
            for at in range(0, len(data), step):
                ours.send(data[at : at + step])
        return list(_batches(theirs))


def _event(line: bytes) -> Event | None:
    try:
        event = decode(json.loads(line))
    except (ValueError, RecursionError):
        return None
    assert decode(json.loads(line_of(event))) == event, "written anew, it is another event"
    return event


def _can_be_logged(lines: list[bytes]) -> None:
    """A sink takes what is an event, and nobody's name makes a line of its own or moves a reader's cursor."""
    path = scratch() / "log"
    text = _written(LogSink(LogConfig(path=path)), path, lines)
    assert all(printable(line) == line for line in text.split("\n")), text


def _can_be_a_table(lines: list[bytes]) -> None:
    """Nobody's name leaves its cell, or is a formula."""
    path = scratch() / "table"
    names, *rows = csv.reader(_written(CsvSink(CsvConfig(path=path)), path, lines).split("\n")[:-1])
    assert tuple(names) == COLUMNS
    for row in rows:
        cells = dict(zip(names, row, strict=True))
        assert all(cell.isprintable() for cell in row), row
        assert not [name for name in _TEXTS if cells[name].lstrip().startswith(("=", "+", "-", "@"))], row


def _written(sink: EventSink, path: Path, lines: list[bytes]) -> str:
    sink.open()
    _write(sink, lines)
    sink.close()
    text = path.read_text()
    path.unlink()
    return text


TARGET = Target(
    one=_one,
    seeds=_seeds,
    kinds=frozenset(kind.__name__ for kind in KINDS),
    refusals=(),
    modules=(
        "tlshub_core.types.events",
        "tlshub_core.events.line",
        "tlshub_core.events.log",
        "tlshub_core.events.connection",
        "tlshub_core.events.csv",
        "tlshub_core.events.row",
    ),
    words=WORDS,
    longest=4096,
)
