# SPDX-License-Identifier: Apache-2.0
"""Tries keys on the records of flows: each flow's own, which must open all, and others', which must open none."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from tlshub_core.verifying.decrypt import Opener
from tlshub_core.verifying.keys import DirectionKey, FlowKey
from tlshub_core.verifying.reassembly import Stream
from tlshub_core.verifying.records import Records

_SAMPLES, _FOREIGN = 16, 64
Sides = tuple[tuple[Stream, Records], tuple[Stream, Records]]


class Keyring:
    """The keys of a capture; counts over all flows that were opened.

    `foreign` counts sampled records (the first of a direction) that a key of another flow, or of the other direction,
    opens: anything but 0 says that a key was used twice.
    """

    def __init__(self, keys: Sequence[FlowKey]) -> None:
        # Both ends of a connection may have logged it; the same key for another connection is another entry.
        self._keys = list(dict.fromkeys(keys))
        self._samples: list[tuple[DirectionKey | None, bytes]] = []
        self.opened = self.failed = 0

    def open(self, names: tuple[str, str], sides: Sides) -> tuple[bytearray, bytearray]:
        """Open the records of a flow; returns what the client and the server sent in them."""
        chosen = self._choose(names, sides)
        plain = (bytearray(), bytearray())
        for way, (stream, records) in enumerate(sides):
            key = chosen.directions[way] if chosen else None
            self._sample(key, stream, records)
            if key is None:
                self.failed += len(records.spans)
                continue
            opener = Opener(key)
            opener.open_all(stream.runs[0], records.spans)
            plain[way].extend(opener.plaintext)
            self.opened, self.failed = self.opened + opener.opened, self.failed + opener.failed
        return plain

    @property
    def foreign(self) -> int:
        """How many sampled records another key opens."""
        all_keys = [key for flow in self._keys for key in flow.directions]
        hits = 0
        for own, record in self._samples:
            others = (key for key in all_keys if key is not own)
            hits += sum(Opener(key).try_record(record) is not None for key in islice(others, _FOREIGN))
        return hits

    def _choose(self, names: tuple[str, str], sides: Sides) -> FlowKey | None:
        """Of the keys for these ends the one that opens a first record; the ports may have been used again."""
        fitting = [key for key in self._keys if (key.client, key.server) == names]
        for key in fitting:
            for direction, (stream, records) in zip(key.directions, sides, strict=True):
                if records.spans and Opener(direction).try_record(_first(stream, records)) is not None:
                    return key
        return fitting[0] if fitting else None

    def _sample(self, key: DirectionKey | None, stream: Stream, records: Records) -> None:
        if records.spans and len(self._samples) < _SAMPLES:
            self._samples.append((key, _first(stream, records)))


def _first(stream: Stream, records: Records) -> bytes:
    start, end = records.spans[0]
    return bytes(stream.runs[0][start:end])
