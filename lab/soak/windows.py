# SPDX-License-Identifier: Apache-2.0
"""What was found in each window of time, as a table and as JSON, and whether all of it is as it has to be."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One: what was done to the agents, what the clients found, the agents' word, the wire's, and what they hold.

    `away`: an agent was not there for a while, so that connections may be refused. `memory` in MB and `descriptors` are
    those of each node's agent when the clients have ended; `grown` says which are more than in the first window.
    """

    what: str
    away: bool
    good: int
    failed: int
    wrong: int
    secured: int
    refused: Mapping[str, int]
    released: int
    flows_on_the_wire: int
    marker_hits: int
    clear_bytes: int
    holes: int
    memory: Mapping[str, float]
    descriptors: Mapping[str, int]
    grown: tuple[str, ...]
    complaints: tuple[str, ...]

    @property
    def faults(self) -> list[str]:
        """What must not be."""
        found = {
            "marker in clear": self.marker_hits,
            "bytes outside TLS records": self.clear_bytes,
            "released in clear": self.released,
            "packets missed": self.holes,
            "other bytes than were sent": self.wrong,
            "failed with both agents there": 0 if self.away else self.failed,
            "went well and are not on the wire": max(self.good - self.flows_on_the_wire, 0),
        }
        said = [f"{number} {name}" for name, number in found.items() if number]
        return [
            *said,
            *self.grown,
            *([] if self.away else self.complaints),
            *([] if self.good else ["nothing went well"]),
        ]


def grown(earlier: Sequence[Window], memory: Mapping[str, float], descriptors: Mapping[str, int]) -> tuple[str, ...]:
    """What an agent has more of than in the first window; what is open just then, and another provider, cost some."""
    if not earlier:
        return ()
    first = earlier[0]
    return (
        *(
            f"{one}: {first.memory[one]} MB have become {size}"
            for one, size in memory.items()
            if size > first.memory[one] * 1.3
        ),
        *(
            f"{one}: {first.descriptors[one]} descriptors have become {count}"
            for one, count in descriptors.items()
            if count > first.descriptors[one] + 24
        ),
    )


def save(windows: Sequence[Window], minutes: float, path: Path) -> None:
    """After each window: a run that is cut short has what it found until then."""
    refused = sum((Counter(window.refused) for window in windows), Counter[str]())
    body = {
        "minutes": round(minutes, 1),
        "connections": sum(window.good for window in windows),
        "failed": sum(window.failed for window in windows),
        "secured": sum(window.secured for window in windows),
        "refused": dict(refused),
        "restarts": sum(window.away for window in windows),
        "flows_on_the_wire": sum(window.flows_on_the_wire for window in windows),
        "clear_marker_hits": sum(window.marker_hits for window in windows),
        "clear_payload_bytes": sum(window.clear_bytes for window in windows),
        "faults": [fault for window in windows for fault in window.faults],
        "windows": [{**asdict(window), "faults": window.faults} for window in windows],
    }
    path.write_text(json.dumps(body, indent=2) + "\n")


def show(windows: Sequence[Window]) -> None:
    """A line for each."""
    print(f"{'window':28} {'good':>5} {'failed':>6} {'ends secured':>12} {'in clear':>8}  memory (MB)  refused, faults")
    for window in windows:
        clear = window.marker_hits + window.clear_bytes
        memory = "/".join(f"{one:.0f}" for one in window.memory.values())
        notes = [f"{number} {reason}" for reason, number in window.refused.items()]
        notes += [f"FAULT: {fault}" for fault in window.faults]
        counts = f"{window.good:5} {window.failed:6} {window.secured:12} {clear:8}"
        print(f"{window.what:28} {counts}  {memory:11}  {', '.join(notes)}")
