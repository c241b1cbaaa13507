# SPDX-License-Identifier: Apache-2.0
"""The queries of the dashboard, as Grafana would send them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[3] / "deploy/grafana/tlshub-capture.json"
BOARD: dict[str, Any] = json.loads(FILE.read_text())
_VALUES = {"$__rate_interval": "1m", "$__range": "1h", "$instance": ".*"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One query of a panel, and what its lines are called."""

    panel: str
    expression: str
    legend: str

    @property
    def labels(self) -> list[str]:
        """The labels that the names of its lines are made of."""
        return re.findall(r"{{(\w+)}}", self.legend)


def _queries() -> Iterator[Query]:
    for panel in BOARD["panels"]:
        for target in panel.get("targets", ()):
            yield Query(panel=panel["title"], expression=_filled(target["expr"]), legend=target["legendFormat"])


def _filled(expression: str) -> str:
    for name, value in _VALUES.items():
        expression = expression.replace(name, value)
    return expression


QUERIES = tuple(_queries())
