# SPDX-License-Identifier: Apache-2.0
"""The order of the work: under each load all variants in turns, so that each pair meets the machine in one mood."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tlshub_core.benching import crew
from tlshub_core.benching.agents import Agents
from tlshub_core.benching.crew import Outcome
from tlshub_core.benching.intervals import percentile
from tlshub_core.benching.result import CONNECTIONS, REQUESTS, SHARES, Settings, Trial
from tlshub_core.benching.variants import Variant
from tlshub_core.benching.work import Ready, Share
from tlshub_core.types.errors import Unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """`count` requests of `size` bytes on `concurrency` connections; or connections, of one empty request each."""

    name: str
    size: int
    concurrency: int
    count: int


def loads(settings: Settings) -> tuple[Load, ...]:
    """All loads of one round."""
    return tuple(
        Load(name=name, size=size, concurrency=many, count=count)
        for many in settings.concurrency
        for name, size, count in (
            (CONNECTIONS, 0, settings.connections),
            *((REQUESTS, size, settings.requests) for size in settings.sizes),
        )
    )


def pieces(settings: Settings, variants: int) -> int:
    """How many trials there will be."""
    return settings.rounds * len(loads(settings)) * variants


def measure(variants: Sequence[Variant], settings: Settings, agents: Agents) -> Iterator[Trial]:
    """Each trial as it is done; each second round goes backwards. Raises Unavailable, naming variant and round."""
    for number in range(1, settings.rounds + 1):
        for at, load in enumerate(loads(settings)):
            first = (number // 2 + at) % len(variants)
            turn = [*variants[first:], *variants[:first]]
            for variant in turn if number % 2 else reversed(turn):
                yield _trial(variant, load, number, settings.warm_up, agents)


def _trial(variant: Variant, load: Load, number: int, warm_up: int, agents: Agents) -> Trial:
    def check(ready: Sequence[Ready]) -> None:
        if variant.provider:
            agents.secured(ready, variant.provider)

    try:
        if variant.provider:
            agents.switch(variant.provider)
        return _told(variant, load, number, crew.run(_shares(variant, load, number, warm_up), check))
    except Unavailable as error:
        what = f"{load.name} of {load.size} bytes, {load.concurrency} at a time"
        raise Unavailable(f"'{variant.name}' failed in round {number} ({what}): {error}") from error


def _shares(variant: Variant, load: Load, number: int, warm_up: int) -> list[Share]:
    return [
        Share(
            way=variant.way,
            count=count,
            size=load.size,
            fresh=load.name == CONNECTIONS,
            warm_up=warm_up,
            seed=number << 32 | at,
        )
        for at, count in enumerate(crew.shared(load.count, load.concurrency))
    ]


def _told(variant: Variant, load: Load, number: int, outcome: Outcome) -> Trial:
    return Trial(
        round=number,
        variant=variant.name,
        load=load.name,
        size=load.size,
        concurrency=load.concurrency,
        count=load.count,
        seconds=outcome.seconds,
        mean_ns=sum(outcome.took_ns) / len(outcome.took_ns),
        quantiles_ns=tuple(int(percentile(outcome.took_ns, share)) for share in SHARES),
    )
