# SPDX-License-Identifier: Apache-2.0
"""How 'verify' gets its packets: from an interface until it is told to stop, or from a file to its end."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from tlshub_core.cli.verify_tables import COLUMNS, cells, counted, notes
from tlshub_core.types.errors import TlshubError, Unavailable
from tlshub_core.verifying.findings import Outcome
from tlshub_core.verifying.judge import Judge
from tlshub_core.verifying.pcap import PcapError, opened
from tlshub_core.verifying.plain_pcap import PcapFile
from tlshub_core.verifying.sniffing import Sniffer
from tlshub_core.verifying.word import Word

_TICK_S, _PATIENCE_S, _SHARE = 1.0, 0.25, 10
_ROWS = 15
Tick = Callable[[], None]


class Stop:
    """Set by the first SIGINT or SIGTERM; the second one ends the process."""

    def __init__(self) -> None:
        self.asked = False
        self._before = {number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)}

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        self.restore()

    def restore(self) -> None:
        """Signals do what they did before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)


def watch(judge: Judge, interface: str, word: Word, seconds: float, count: int, save: PcapFile | None) -> None:
    """Judge what crosses the interface, for so many seconds or connections (0: until SIGINT). Raises Unavailable."""
    sniffer, stop = Sniffer(interface, judge.scope.ranges), Stop()
    until = time.monotonic() + seconds if seconds else float("inf")
    print(f"capturing on '{interface}'; Ctrl-C ends it", file=sys.stderr, flush=True)
    try:
        with _ticking(judge, lambda: word.ask(judge.current())) as tick:
            while not stop.asked and time.monotonic() < until and not (count and judge.flows.over >= count):
                for packet in sniffer.packets(min(_PATIENCE_S, max(until - time.monotonic(), 0))):
                    judge.take(packet)
                    if save:
                        save.write(packet.data, packet.time_ns, packet.original)
                judge.lost = sniffer.lost
                tick()
    finally:
        stop.restore()
        sniffer.close()
        judge.lost = sniffer.lost
    word.ask(judge.current())


def read(judge: Judge, path: Path) -> None:
    """Judge a capture file. Raises Unavailable for one that cannot be read."""
    try:
        with opened(path) as capture, _ticking(judge, lambda: None) as tick:
            for packet in capture.packets():
                judge.take(packet)
                tick()
            judge.lost = capture.dropped + capture.truncated
    except (PcapError, ValueError) as error:
        raise TlshubError(f"'{path}': {error}") from None
    except OSError as error:
        raise Unavailable(f"'{path}' cannot be read: {(error.strerror or str(error)).lower()}") from None


@contextmanager
def _ticking(judge: Judge, also: Tick) -> Iterator[Tick]:
    """What is to be called often, and does something once a second: shows what is known by now, on a terminal.

    With very many connections it does so more seldom, since packets wait meanwhile.
    """
    due = time.monotonic() + _TICK_S
    with _screen(judge) as draw:

        def tick() -> None:
            nonlocal due
            began = time.monotonic()
            if began >= due:
                also()
                draw()
                due = time.monotonic() + max(_TICK_S, _SHARE * (time.monotonic() - began))

        yield tick


@contextmanager
def _screen(judge: Judge) -> Iterator[Tick]:
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console, Group
    from rich.live import Live
    from rich.table import Table
    from rich.text import Text

    def table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> Table:
        made = Table(*columns, box=None, pad_edge=False)
        for row in rows:
            made.add_row(*map(Text, row))
        return made

    def drawn() -> Group:
        found = sorted(judge.current(), key=lambda one: not one.bad)[:_ROWS]
        head = table(("rule", *(outcome.value for outcome in Outcome)), counted(judge))
        told = Text("\n".join([f"{judge.packets} packets", *notes(judge)]))
        return Group(told, head, Text(), table(COLUMNS, [*map(cells, found)]))

    with Live(drawn(), console=Console(stderr=True), auto_refresh=False, transient=True) as live:
        yield lambda: live.update(drawn(), refresh=True)
