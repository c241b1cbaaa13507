# SPDX-License-Identifier: Apache-2.0
"""Tries keys on the records of flows: each flow's own, which must open all, and others', which must open none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from tlshub_core.verifying.decrypt import Opener
from tlshub_core.verifying.keys import DirectionKey, FlowKey

_SAMPLES, _FOREIGN = 16, 64
Names = tuple[str, str]


class Keyring:
    """The keys of a capture; counts over all flows that were opened. `more` gives those that were logged since.

    `foreign` counts sampled records (the first of a direction) that a key of another flow, or of the other direction,
    opens: anything but 0 says that a key was used twice.
    """

    def __init__(self, keys: Iterable[FlowKey], more: Callable[[], Sequence[FlowKey]] = tuple) -> None:
        # Both ends of a connection may have logged it; the same key for another connection is another entry.
        self._keys: dict[FlowKey, None] = {}
        self._by_names: dict[Names, list[FlowKey]] = {}
        self._more, self._samples = more, list[tuple[FlowOpener, int, bytes]]()
        self.opened = self.failed = 0
        self._add(keys)

    def flow(self, names: Names) -> FlowOpener:
        """What opens the records of a flow."""
        return FlowOpener(self, names)

    def fitting(self, names: Names, opens: Callable[[FlowKey], bool]) -> FlowKey | None:
        """Of the keys for these ends the one that opens; the ports may have been used again."""
        for _ in range(2):
            for key in self._by_names.get(names, ()):
                if opens(key):
                    return key
            self._add(self._more())
        return None

    def sample(self, flow: FlowOpener, way: int, record: bytes) -> None:
        """The first record of a direction, of which some are kept."""
        if len(self._samples) < _SAMPLES:
            self._samples.append((flow, way, record))

    @property
    def foreign(self) -> int:
        """How many sampled records another key opens."""
        all_keys = [key for flow in self._keys for key in flow.directions]
        hits = 0
        for flow, way, record in self._samples:
            others = (key for key in all_keys if key is not flow.key(way))
            hits += sum(Opener(key).try_record(record) is not None for key in islice(others, _FOREIGN))
        return hits

    def _add(self, keys: Iterable[FlowKey]) -> None:
        for key in keys:
            if key not in self._keys:
                self._keys[key] = None
                self._by_names.setdefault((key.client, key.server), []).append(key)


class FlowOpener:
    """Opens the records of one flow, as they come; `failed` counts those that its keys do not open."""

    def __init__(self, keyring: Keyring, names: Names) -> None:
        self._keyring, self._names = keyring, names
        self._chosen: FlowKey | None = None
        self._openers: tuple[Opener, Opener] | None = None
        self._seen = [0, 0]
        self.failed = 0

    def key(self, way: int) -> DirectionKey | None:
        """That of a direction, once it is known which."""
        return self._chosen.directions[way] if self._chosen else None

    def open(self, way: int, record: bytes) -> bytes | None:
        """The application's bytes in the next record from the client (way 0) or the server; None: it does not open."""
        if not self._seen[way]:
            self._keyring.sample(self, way, record)
        if self._openers is None:
            self._choose(way, record)
        self._seen[way] += 1
        content = self._openers[way].open(record) if self._openers else None
        self._keyring.opened += content is not None
        self._keyring.failed += content is None
        self.failed += content is None
        return content

    def _choose(self, way: int, record: bytes) -> None:
        def opens(key: FlowKey) -> bool:
            return Opener(key.directions[way], self._seen[way]).try_record(record) is not None

        # Later records are not tried with all keys: a flow whose first ones do not open has none.
        if self._seen[way] < 2:
            self._chosen = self._keyring.fitting(self._names, opens)
        if self._chosen:
            client, server = self._chosen.directions
            self._openers = Opener(client, self._seen[0]), Opener(server, self._seen[1])
