# SPDX-License-Identifier: Apache-2.0
"""The table of metrics in the documentation is what the sink serves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from prometheus_client import Metric

from plugins.prometheus.tests.scrapes import Scraped, everything, families, text

PAGE = Path(__file__).parents[3] / "docs/metrics.md"
ROW = re.compile(r"^\| `tlshub_capture_.*\|$", re.MULTILINE)
OF_HISTOGRAMS = {"le"}


def rows(metrics: Sequence[Metric]) -> list[str]:
    """A row of the table for each metric, in the order in which they are served."""
    return [
        f"| `{_name(one)}` | {one.type} | {', '.join(f'`{label}`' for label in _labels(one))} | {one.documentation} |"
        for one in metrics
    ]


def _name(metric: Metric) -> str:
    return f"{metric.name}_total" if metric.type == "counter" else metric.name


def _labels(metric: Metric) -> list[str]:
    return sorted({label for sample in metric.samples for label in sample.labels} - OF_HISTOGRAMS)


def test_the_table_is_what_is_served(scraped: Scraped) -> None:
    scraped.write(*everything())
    served = rows(families(text(scraped.port)))
    assert ROW.findall(PAGE.read_text()) == served, "\n".join(["the table should be:", *served])


def test_what_the_page_speaks_of_exists(scraped: Scraped) -> None:
    scraped.write(*everything())
    known = {sample.name for family in families(text(scraped.port)) for sample in family.samples}
    spoken = set(re.findall(r"tlshub_capture_\w+", PAGE.read_text())) - {
        family.name for family in families(text(scraped.port))
    }
    assert spoken and spoken <= known
