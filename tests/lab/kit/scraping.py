# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus in a node, which fetches from agents while a test makes connections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from plugins.prometheus.tests.real import SECONDS, Prometheus, running
from tests.lab.kit.chat import Flag
from tests.lab.kit.job import Say
from tests.lab.kit.node import Node
from tests.lab.kit.program import need
from tests.unit.events.sinks_for_tests import wait_until

EVERY_S = 4
PREFIX = "tlshub_capture_"
Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """All series before and after, by name and labels."""

    before: Series
    after: Series

    def of(self, name: str, **labels: str) -> float:
        """By how much those with at least these labels have grown together."""
        wanted = set(labels.items())
        found = [one for one in self.after if one[0] == PREFIX + name and wanted <= one[1]]
        return sum(self.after[one] - self.before.get(one, 0.0) for one in found)


class Scraping:
    """Prometheus, in that node, and how many connections are to end at each of the addresses meanwhile."""

    def __init__(self, node: Node, folder: Path, ended: Mapping[str, int]) -> None:
        binary, self._done = need("prometheus", "prometheus"), Flag()
        self._job = node.start(partial(_watch, binary=binary, folder=folder, ended=ended, done=self._done))
        assert self._job.heard(SECONDS * 2) == "watching"

    def end(self) -> Growth:
        """When it has fetched the last of them."""
        self._done.set()
        return self._job.result(SECONDS * 2)


def _watch(say: Say, binary: str, folder: Path, ended: Mapping[str, int], done: Flag) -> Growth:
    with running(binary, folder, list(ended), EVERY_S) as prometheus:
        wait_until(lambda: prometheus.value("sum(up)") == len(ended), SECONDS)
        before = _all(prometheus)
        say("watching")
        done.wait()
        wait_until(lambda: _ended(_all(prometheus), before, ended), SECONDS)
        return Growth(before=before, after=_all(prometheus))


def _ended(now: Series, before: Series, wanted: Mapping[str, int]) -> bool:
    """Whether so many connections have ended at each of the addresses."""
    growth = Growth(before=before, after=now)
    return all(growth.of("events_total", event="Closed", instance=one) >= count for one, count in wanted.items())


def _all(prometheus: Prometheus) -> Series:
    series = [(dict(one["metric"]), float(one["value"][1])) for one in prometheus.query('{job="tlshub-capture"}')]
    return {(labels.pop("__name__"), frozenset(labels.items())): value for labels, value in series}
