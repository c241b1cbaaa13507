# SPDX-License-Identifier: Apache-2.0
"""Lines that the process of a sink reads, in pieces (the first byte is their size): events that its sink can write."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable, Sequence
from uuid import UUID

from tests.fuzz.kit.scratch import scratch
from tests.fuzz.kit.target import Target
from tests.fuzz.kit.words import both_ways, text_of
from tlshub_core.api import Event
from tlshub_core.events.human import printable
from tlshub_core.events.line import line_of
from tlshub_core.events.log import LogConfig, LogSink
from tlshub_core.events.sink_process import _batches, _write
from tlshub_core.testing.sink import UNUSUAL, one_of_each
from tlshub_core.types.errors import Reason
from tlshub_core.types.events import KINDS, decode, encode

_MOST_PIECES = 100  # a socket takes more than that many without a reader
_FLOW = UUID(int=7)
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
    sink = LogSink(LogConfig(path=path))
    sink.open()
    _write(sink, lines)
    sink.close()
    text = path.read_text()
    path.unlink()
    assert all(printable(line) == line for line in text.split("\n")), text


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
    ),
    words=WORDS,
    longest=4096,
)
