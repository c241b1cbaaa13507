# SPDX-License-Identifier: Apache-2.0
"""What the agent's own process takes: the sink is its child."""

from __future__ import annotations

import os
from collections.abc import Iterable

from prometheus_client import Metric, ProcessCollector
from prometheus_client.registry import Collector

# Of the rest, descriptors are nothing that a process without capabilities may look at.
_TOLD = ("_cpu_seconds", "_resident_memory_bytes", "_start_time_seconds")


class AgentProcess(Collector):
    """CPU time, memory and start of the parent that there is when this is made; nothing once it has ended."""

    def __init__(self, namespace: str) -> None:
        agent = os.getppid()
        self._process = ProcessCollector(namespace=namespace, pid=lambda: agent, registry=None)

    def collect(self) -> Iterable[Metric]:
        """The metrics of now."""
        return [metric for metric in self._process.collect() if metric.name.endswith(_TOLD)]
