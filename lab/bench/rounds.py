# SPDX-License-Identifier: Apache-2.0
"""The order of the work: all variants in turns, so that each pair of them meets the machine in the same mood."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from statistics import median

from bench.agents import Agents
from bench.cpu import seconds, since
from bench.load import PATIENCE_S, LoadError, children, start_up, work
from bench.measurement import LOADS, Measurement
from bench.patience import patience, twice
from bench.servers import BIG, Servers
from bench.variants import PHASES, Variant
from tests.lab.kit.node import Node

TRIAL = {"requests": 100, "connections": 20, "bulk": 4 << 20}
AT_LEAST = {"requests": 100, "connections": 10, "bulk": 1 << 20}
# These are to differ by little: by nothing but that, then.
SAME_WORK = {"uncaptured": "plain", "uncaptured_bcc": "plain", "captured_bcc": "captured"}


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
    _patience: float = PATIENCE_S

    def trial(self) -> None:
        """Warm everything up and fix the amounts, by a small piece of each work and then by a longer one."""
        self._start_up = median(start_up(self.client) for _ in range(3))
        self.amounts = {(variant.name, load): TRIAL[load] for variant in self.variants for load in variant.loads}
        for number, part in ((-1, 0.3), (0, 1.0)):
            found = self.one(number)
            self.amounts = {(one.variant, one.load): self._enough(one, part) for one in found}
        for name, load in list(self.amounts):
            self.amounts[name, load] = self.amounts[SAME_WORK.get(name, name), load]
        self._patience = patience(self.target)

    def _enough(self, found: Measurement, part: float) -> int:
        return min(BIG, max(AT_LEAST[found.load], round(found.rate * self.target * part)))

    def one(self, number: int) -> list[Measurement]:
        """A whole round; raises LoadError."""
        return list(self._round(number))

    def _round(self, number: int) -> Iterator[Measurement]:
        """Each second round goes through the phases backwards, which also spares agents a start."""
        phases = range(len(PHASES))
        for phase in phases if number % 2 == 0 else reversed(phases):
            chosen = [variant for variant in self.variants if variant.phase == phase]
            if not chosen:
                continue
            self.agents.want(PHASES[phase])
            work(self.client, "requests", chosen[0].base, 1)  # agents that are new have no session yet
            at = number % len(chosen)
            for load in LOADS:
                for variant in chosen[at:] + chosen[:at]:
                    if load in variant.loads:
                        yield twice(partial(self._measure, number, variant, load))

    def _measure(self, number: int, variant: Variant, load: str) -> Measurement:
        amount = self.amounts[variant.name, load]
        served, before = self.servers.served(), self._cpu()
        done = work(self.client, load, variant.base, amount, self._patience)
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
