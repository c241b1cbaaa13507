# SPDX-License-Identifier: Apache-2.0
"""The order of the work: all variants in turns, so that each pair of them meets the machine in the same mood."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from statistics import median

from bench.agents import Agents
from bench.cpu import seconds, since
from bench.load import LoadError, children, start_up, work
from bench.measurement import LOADS, Measurement
from bench.servers import BIG, Servers
from bench.variants import PHASES, Variant
from tests.lab.kit.node import Node

TRIAL = {"requests": 100, "connections": 20, "bulk": 4 << 20}
AT_LEAST = {"requests": 100, "connections": 10, "bulk": 1 << 20}
SAME_WORK = {"uncaptured": "plain"}  # these two are to differ by little: by nothing but that, then


@dataclass(slots=True, kw_only=True)
class Rounds:
    """Does rounds; `amounts` are found in a trial, so that each piece of work takes about `target` seconds."""

    client: Node
    servers: Servers
    agents: Agents
    variants: tuple[Variant, ...]
    target: float
    amounts: dict[tuple[str, str], int] = field(default_factory=dict)
    _start_up: float = 0.0

    def trial(self) -> None:
        """Warm everything up and fix the amounts."""
        self._start_up = median(start_up(self.client) for _ in range(3))
        for found in self._round(0, lambda variant, load: TRIAL[load]):
            wanted = max(AT_LEAST[found.load], round(found.rate * self.target))
            self.amounts[found.variant, found.load] = min(wanted, BIG)
        for variant, other in SAME_WORK.items():
            for load in LOADS:
                self.amounts[variant, load] = self.amounts[other, load]

    def one(self, number: int) -> list[Measurement]:
        """A whole round; raises LoadError."""
        return list(self._round(number, lambda variant, load: self.amounts[variant, load]))

    def _round(self, number: int, amount: Callable[[str, str], int]) -> Iterator[Measurement]:
        """Each second round goes through the phases backwards, which also spares agents a start."""
        phases = range(len(PHASES))
        for phase in phases if number % 2 == 0 else reversed(phases):
            self.agents.want(PHASES[phase])
            chosen = [variant for variant in self.variants if variant.phase == phase]
            at = number % len(chosen)
            for load in LOADS:
                for variant in chosen[at:] + chosen[:at]:
                    yield self._measure(number, variant, load, amount(variant.name, load))

    def _measure(self, number: int, variant: Variant, load: str, amount: int) -> Measurement:
        served, before = self.servers.served(), self._cpu()
        done = work(self.client, load, variant.base, amount)
        after = self._cpu()
        if self.servers.served() - 1 - served < done.served:  # the question about it is a request, too
            raise LoadError(f"nginx did not serve {done.served} requests of '{variant.name}'")
        cpu = since(before, after)
        cpu["client"] = done.client or max(0.0, cpu["client"] - self._start_up)
        return Measurement(round=number, variant=variant.name, load=load, amount=amount, seconds=done.seconds, cpu=cpu)

    def _cpu(self) -> dict[str, float]:
        used = {name: seconds(pids) for name, pids in self.servers.pids.items()}
        used |= {f"agent of {node}": seconds([pid]) for node, pid in self.agents.pids.items()}
        return used | {"client": children()}
