# SPDX-License-Identifier: Apache-2.0
"""What is aimed at, and whether it is reached: a comparison counts by its median, unless its interval is named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bench.measurement import LOADS, Findings
from bench.summary import shares
from tlshub_core.benching.intervals import Interval

MOST_CORE_SHARE, MOST_MB, MOST_GROWTH = 0.05, 80.0, 1.05
AT_LEAST: Mapping[str, Mapping[str, float]] = {
    "uncaptured_vs_plain": dict.fromkeys(LOADS, 0.97),
    "captured_vs_nginx_tls": dict.fromkeys(LOADS, 1.0),
    "captured_vs_stunnel": {"requests": 1.3, "connections": 2.0, "bulk": 1.3},
}
WHOLE_INTERVAL: Mapping[str, float] = {"uncaptured_vs_plain": 0.95}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One aim, in words, and what was found."""

    name: str
    aim: str
    found: str
    met: bool


def targets(compared: Mapping[str, Mapping[str, Interval]], findings: Findings) -> Iterator[Target]:
    """All of them."""
    for name, aims in AT_LEAST.items():
        for load, least in aims.items():
            yield _ratio(name, load, least, compared[name][load])
    for place, one in shares(findings).items():
        share = one["share"]
        aim = f"at most {MOST_CORE_SHARE:.0%} of a long wait"
        yield Target(name=f"thread on a core: {place}", aim=aim, found=f"{share:.1%}", met=share <= MOST_CORE_SHARE)
    yield from _memory(findings)


def _ratio(name: str, load: str, least: float, found: Interval) -> Target:
    low = WHOLE_INTERVAL.get(name, 0.0)
    aim = f"at least {least:.2f}" + (f", all of the interval above {low:.2f}" if low else "")
    text = f"{found.median:.2f} [{found.low:.2f}, {found.high:.2f}]"
    return Target(name=f"{name}: {load}", aim=aim, found=text, met=found.median >= least and found.low > low)


def _memory(findings: Findings) -> Iterator[Target]:
    last = findings.memory[-1]
    for node, megabytes in last.megabytes.items():
        warm = next(one for one in findings.memory if one.flows).megabytes[node]
        flat = f", at most {MOST_GROWTH:.2f} times that after the first thousand" if last.flows > 1000 else ""
        yield Target(
            name=f"memory of the agent of {node}, {last.flows} connections",
            aim=f"at most {MOST_MB:.0f} MB{flat}",
            found=f"{megabytes:.0f} MB",
            met=megabytes <= MOST_MB and (megabytes <= MOST_GROWTH * warm),
        )
