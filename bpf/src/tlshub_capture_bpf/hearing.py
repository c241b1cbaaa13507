# SPDX-License-Identifier: Apache-2.0
"""What the programs tell: the buffer of their events, what was lost of it, and what they decided alone."""

from __future__ import annotations

import asyncio
import logging
import mmap
from collections.abc import AsyncIterator, Sequence

from tlshub_capture_bpf import decoding, layout
from tlshub_capture_bpf.libbpf import Libbpf
from tlshub_capture_bpf.perf import PerfBuffer
from tlshub_capture_bpf.programs import Programs
from tlshub_capture_bpf.ring import RingBuffer, passed_over
from tlshub_capture_bpf.tally import Tally
from tlshub_core.api import CaptureEvent, FlowDecided, Overrun

PIECE = 64  # of a batch: in between the connections that are on their way go on
_log = logging.getLogger("tlshub.capture")


class Hearing:
    """Listens from when it is made, in the loop that runs then; raises OSError."""

    def __init__(self, libbpf: Libbpf, programs: Programs) -> None:
        self._batch: list[CaptureEvent] = []
        self._again: asyncio.Handle | None = None
        self._ready = asyncio.Event()
        self.tally = Tally(programs.map("tally", layout.TALLY.size).fd)
        self._lost_count = mmap.mmap(programs.map("lost", 8).fd, mmap.PAGESIZE, prot=mmap.PROT_READ)
        (self._lost,) = layout.U64.unpack_from(self._lost_count)
        self._buffer = self._opened(libbpf, programs)
        asyncio.get_running_loop().add_reader(self._buffer.fileno(), self.listen)

    def _opened(self, libbpf: Libbpf, programs: Programs) -> RingBuffer | PerfBuffer:
        if programs.has("streams"):
            return PerfBuffer(libbpf, programs.map("streams", 4).fd, programs.map("aside", 0).fd, self._record)
        events = programs.map("events", 0).fd
        passed_over(libbpf, events)  # what is still so, the flow table tells
        return RingBuffer(libbpf, events, self._record)

    def _record(self, record: bytes) -> None:
        try:
            event = decoding.decode(record)
        except ValueError as error:  # raised here it would be lost in the C library that calls
            _log.error("%s: passed over", error)
            return
        if not isinstance(event, FlowDecided) or self.tally.is_news(event.state, decoding.number_of(record)):
            self._batch.append(event)

    def listen(self) -> None:
        """Take what was told until now."""
        self._buffer.consume()
        self._forget_again()
        if self._buffer.waiting:
            self._again = asyncio.get_running_loop().call_soon(self.listen)
        (lost,) = layout.U64.unpack_from(self._lost_count)
        if lost != self._lost:
            self._batch.append(Overrun(lost=lost - self._lost))
            self._lost = lost
            self.settle()
        self._ready.set()

    def _forget_again(self) -> None:
        """Of several that are on their way, `close` would end the last only, and the others read what it freed."""
        if self._again is not None:
            self._again.cancel()
            self._again = None

    def settle(self) -> None:
        """Tell of the decisions that no event will; the flows themselves are found by a walk over the table."""
        found = self.tally.settle()
        if found is not None:
            self._batch.append(found)
            self._ready.set()

    async def pieces(self) -> AsyncIterator[Sequence[CaptureEvent]]:
        """Events in the order of the buffer, some at a time."""
        while True:
            await self._ready.wait()
            self._ready.clear()
            batch, self._batch = self._batch, []
            for piece in (batch[at : at + PIECE] for at in range(0, len(batch), PIECE)):
                yield piece
                await asyncio.sleep(0)

    def close(self) -> None:
        """Listen no more."""
        self._forget_again()
        asyncio.get_running_loop().remove_reader(self._buffer.fileno())
        self._buffer.close()
        self._lost_count.close()
        self.tally.close()
