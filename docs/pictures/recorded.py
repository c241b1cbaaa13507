# SPDX-License-Identifier: Apache-2.0
"""Draws what `record` had 'verify' and 'bench' print and find in the lab: 'verify.svg' and 'bench.svg'."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from typescript import lines, picture

from tlshub_core.benching import files as results
from tlshub_core.benching.charts import HEIGHT, WIDTH
from tlshub_core.benching.marks import sign, tag, text
from tlshub_core.benching.plots import ratios
from tlshub_core.benching.result import Result

HEAD, LINE = 34.0, 18.0


def main() -> int:
    """Draw both; the folder with what was recorded, and that of the pictures."""
    recorded, pictures = map(Path, sys.argv[1:])
    said = (recorded / "verify.typescript").read_text()
    picture(lines(said), "tlshub-capture verify", pictures / "verify.svg")
    (pictures / "bench.svg").write_text(chart(results.load(recorded / "bench.json")))
    return 0


def chart(result: Result) -> str:
    """The report's chart of ratios as a picture of its own, with the report's style and signs."""
    style, drawn = files("tlshub_core.benching").joinpath("report.css").read_text(), next(ratios(result))
    height = HEAD + HEIGHT + LINE * len(result.variants)
    paper = tag("rect", width="100%", height="100%", style="fill: var(--paper)")
    title = "tlshub-capture bench: beside plain" + (", emulated" if result.environment.emulated else "")
    head = tag("text", text(title), x="8", y="20", class_="title")
    inside = tag("g", drawn.replace("<svg ", f'<svg x="0" y="{HEAD}" width="{WIDTH}" height="{HEIGHT}" ', 1))
    names = [*_names(result, HEAD + HEIGHT)]
    svg = tag(
        "svg",
        tag("style", style),
        paper,
        head,
        inside,
        *names,
        width=WIDTH * 1.5,
        viewBox=f"0 0 {WIDTH:g} {height + 8:g}",
    )
    return svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1) + "\n"


def _names(result: Result, top: float) -> Iterator[str]:
    for at, one in enumerate(result.variants):
        y = top + LINE * (at + 0.5)
        yield sign(at, 20, y) + tag("text", text(one.name), x="34", y=f"{y + 4:g}")


if __name__ == "__main__":
    sys.exit(main())
