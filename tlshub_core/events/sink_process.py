# SPDX-License-Identifier: Apache-2.0
"""The process that one sink runs in: forked early, reads events until end of file, may block or crash as it likes."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from socket import socket
from typing import NoReturn

from tlshub_core import privileges, process
from tlshub_core.events.counts import Tally
from tlshub_core.events.human import printable
from tlshub_core.types.events import decode
from tlshub_core.types.interfaces import EventSink, LineSink

_CHUNK = 65536
NICE = 10  # what an event says can wait for the applications' own work
# The sink must outlive the signals that end the agent, else the last events, which say how it ended, are lost.
_OUTLIVED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def spawn(name: str, make: Callable[[], EventSink], theirs: socket, tally: Tally) -> int:
    """Fork the process of sink 'name', which reads JSON lines from `theirs`; returns its pid.

    Call it before threads, loops and keys exist: nothing is executed anew, so the child has a copy of all of them.
    Raises RuntimeError where there are threads already, and OSError where fork fails.
    """
    if threading.active_count() > 1:
        raise RuntimeError(f"event sink '{name}': started after threads, start the sinks first")
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    return pid if pid else _child(name, make, theirs, tally)


def _child(name: str, make: Callable[[], EventSink], theirs: socket, tally: Tally) -> NoReturn:
    status = 1
    try:
        _settle(name, theirs.fileno())
        _run(name, make, theirs, tally)
        sys.stdout.flush()
        status = 0
    except BaseException as error:  # noqa: BLE001 - said; the child must never return into the agent's stack
        _complain(f"event sink '{name}': process ends: {_words(error)}")
    finally:
        os._exit(status)


def _settle(name: str, keep: int) -> None:
    """Shed what the agent has and a sink must not: descriptors, signal handlers, real-time priority, capabilities."""
    os.closerange(3, keep)
    os.closerange(keep + 1, os.sysconf("SC_OPEN_MAX"))
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        if number in _OUTLIVED:
            signal.signal(number, signal.SIG_IGN)
        elif callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    _be_ordinary(name)
    privileges.drop(())


def _be_ordinary(name: str) -> None:
    try:
        process.relax()
        os.setpriority(os.PRIO_PROCESS, 0, max(NICE, os.getpriority(os.PRIO_PROCESS, 0)))
        score = Path("/proc/self/oom_score_adj")
        if int(score.read_text()) < 0:
            score.write_text("0")
        Path("/proc/self/comm").write_text(f"sink-{name}")
    except OSError as error:
        _complain(f"event sink '{name}': runs with the agent's priority: {error}")


def _run(name: str, make: Callable[[], EventSink], theirs: socket, tally: Tally) -> None:
    sink: EventSink | None = None
    try:
        sink = _opened(make)
    except Exception as error:  # noqa: BLE001 - a plugin's bug, said here; opened again with the next batch
        _complain(f"event sink '{name}': cannot be opened: {_words(error)}")
    for lines in _batches(theirs):
        try:
            sink = sink or _opened(make)
            _write(sink, lines)
        except Exception as error:  # noqa: BLE001 - counted and said; the next batch may fare better
            _lost(name, error, len(lines), tally.add(failed=len(lines)))
        else:
            tally.add(written=len(lines))
    if sink:
        sink.close()


def _write(sink: EventSink, lines: list[bytes]) -> None:
    if isinstance(sink, LineSink):
        sink.write_lines(lines)
    else:
        sink.write([decode(json.loads(line)) for line in lines])


def _opened(make: Callable[[], EventSink]) -> EventSink:
    sink = make()
    sink.open()
    return sink


def _batches(theirs: socket) -> Iterator[list[bytes]]:
    """What is there, as whole lines; a line that the agent's death cut off is left out."""
    rest = b""
    while chunk := theirs.recv(_CHUNK):
        *lines, rest = (rest + chunk).split(b"\n")
        if lines:
            yield lines


def _lost(name: str, error: Exception, count: int, total: int) -> None:
    # A sink that always fails would else write a line per batch: said at the first loss and each time it has doubled.
    if (total - count).bit_length() != total.bit_length():
        _complain(f"event sink '{name}': failed: {_words(error)}; {count} events lost, {total} in all")


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _complain(line: str) -> None:
    try:
        os.write(2, printable(line.replace("\n", " ")).encode(errors="backslashreplace") + b"\n")
    except OSError:
        # Nobody reads standard error; the counters in shared memory still tell the agent.
        return
