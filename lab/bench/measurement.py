# SPDX-License-Identifier: Apache-2.0
"""What crosses from the measuring side, in the lab, to the reporting side; as JSON in between."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

LOADS = ("requests", "connections", "bulk")
VARIANTS = ("plain", "nginx_tls", "stunnel", "haproxy", "uncaptured", "captured", "uncaptured_bcc", "captured_bcc")
BACKENDS = ("libbpf", "bcc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One piece of fixed work: `amount` in requests, connections or bytes, its duration and CPU seconds by process."""

    round: int
    variant: str
    load: str
    amount: int
    seconds: float
    cpu: Mapping[str, float]

    @property
    def rate(self) -> float:
        """Per second."""
        return self.amount / self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """A client whose keys came late: how long a thread waited in a place, and how long it was on a core meanwhile."""

    place: str
    seconds: float
    cpu_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Resident megabytes of the agents after so many connections."""

    flows: int
    megabytes: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One start of an agent of this backend, until it captured: its CPU seconds till then, its resident megabytes."""

    backend: str
    seconds: float
    cpu_seconds: float
    megabytes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """All that one run found; with an entry for each end of each captured connection in `holds_ns` and `restarts`.

    `holds_ns` and `restarts` are those of the backend 'libbpf'; `dropped` are rounds in which something stood still;
    `clock` is 'instructions' where the machine's time follows them, else 'real'.
    """

    rounds: int
    dropped: tuple[int, ...]
    clock: str
    processors: int
    gcm: str
    measurements: tuple[Measurement, ...]
    waits: tuple[Wait, ...]
    memory: tuple[Memory, ...]
    starts: tuple[Start, ...]
    holds_ns: Mapping[str, tuple[int, ...]]
    restarts: tuple[int, ...]


def save(findings: Findings, path: Path) -> None:
    """Write as JSON."""
    path.write_text(json.dumps(asdict(findings)))


def load(path: Path) -> Findings:
    """Read what `save` wrote; raises OSError, ValueError, TypeError or KeyError where it is anything else."""
    body = json.loads(path.read_text())
    return Findings(
        rounds=body["rounds"],
        dropped=tuple(body["dropped"]),
        clock=body["clock"],
        processors=body["processors"],
        gcm=body["gcm"],
        measurements=tuple(Measurement(**one) for one in body["measurements"]),
        waits=tuple(Wait(**one) for one in body["waits"]),
        memory=tuple(Memory(**one) for one in body["memory"]),
        starts=tuple(Start(**one) for one in body["starts"]),
        holds_ns={side: tuple(holds) for side, holds in body["holds_ns"].items()},
        restarts=tuple(body["restarts"]),
    )
