# SPDX-License-Identifier: Apache-2.0
"""What tests say to agents that are put to sleep between two steps (kit/slow_agent.py)."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.lab.kit.hold import GATE
from tests.lab.kit.node import Event

Plan = tuple[str, str, float]  # step, side ('client', 'server' or 'both'), seconds
STEPS = ("descriptor", "installing", "ulp", "tx", "rx", "open", "wake")
SIDES = ("client", "server", "both")
ONE_SIDED = range(7111, 7120)  # preferred by node-a, and nothing to node-b, whose agent says no

_PROGRAM = {"program": str(Path(__file__).with_name("slow_agent.py"))}
_RULE = f'[[rule]]\nname = "one-sided"\nmatch = {{ ports = ["{ONE_SIDED[0]}-{ONE_SIDED[-1]}"] }}\nmode = "prefer"\n'
slow_agents = pytest.mark.agents(node_a={**_PROGRAM, **GATE, "rules": _RULE}, node_b=_PROGRAM)


def planned(plans: Mapping[int, Sequence[Plan]]) -> None:
    """From now on connections to each port take one of its plans each, round and round."""
    file = Path(os.environ["LAB_NODES"]) / "delays.json"
    file.with_suffix(".new").write_text(json.dumps(plans))
    file.with_suffix(".new").rename(file)  # an agent that reads it has one or the other


def hold_s(secured: Event) -> float:
    """How long a connection was held."""
    return int(str(secured["hold_ns"])) / 1e9
