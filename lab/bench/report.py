# SPDX-License-Identifier: Apache-2.0
"""python -m bench.report FINDINGS FOLDER WHY: prints tables, writes bench.json and bench.svg into FOLDER.

WHY is the reason for the virtual machine, empty where the bench ran natively.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.backends import Beside, beside, figures, started
from bench.chart import svg
from bench.measurement import BACKENDS, LOADS, Findings, load
from bench.summary import body, compared, cpu
from bench.targets import Target, targets
from tlshub_core.benching.intervals import Interval


def main() -> int:
    """Report; exit status 1 only where there is nothing to report: a target that is missed is a finding."""
    folder, why = Path(sys.argv[2]), sys.argv[3]
    console = Console(width=None if sys.stdout.isatty() else 118)
    try:
        findings = load(Path(sys.argv[1]))
    except (OSError, ValueError, TypeError, KeyError) as error:
        console.print(f"bench: '{sys.argv[1]}' has no findings ({error}): see what was printed above")
        return 1
    if not findings.rounds:
        console.print("bench: no round came to its end: see what was printed above")
        return 1
    ratios = compared(findings)
    aims = list(targets(ratios, findings))
    where = ("emulated" if why else "native") + (", by instructions" if findings.clock == "instructions" else "")
    both = beside(findings)
    for table in (
        _ratios(ratios, where),
        _backends(both, findings, where),
        _cpu(findings, where),
        _targets(aims, where),
    ):
        console.print(table)
    for dropped in findings.dropped:
        console.print(f"round {dropped} is not counted: something stood still in it, twice")
    shown = {"bcc_vs_libbpf": figures(both), "agent_start": started(findings), "targets": [asdict(aim) for aim in aims]}
    everything = {**body(findings, emulated=bool(why)), **shown}
    (folder / "bench.json").write_text(json.dumps(everything, indent=2) + "\n")
    (folder / "bench.svg").write_text(svg(ratios, both, where))
    console.print(f"where: {'this kernel' if not why else f'a virtual machine, since this kernel cannot ({why})'}")
    console.print(f"figures: {folder / 'bench.json'}, chart: {folder / 'bench.svg'}")
    return 0


def _ratios(compared_by: Mapping[str, Mapping[str, Interval]], where: str) -> Table:
    table = Table(title=f"rate of the first over that of the second: median of pairs, interval ({where})")
    for heading in ("", *LOADS):
        table.add_column(heading)
    for name, by in compared_by.items():
        table.add_row(name, *(f"{_text(by[load])} {_bar(by[load].median)}" if load in by else "" for load in LOADS))
    return table


def _text(one: Interval) -> str:
    return f"{one.median:.2f} [{one.low:.2f}, {one.high:.2f}]"


def _backends(both: Beside | None, findings: Findings, where: str) -> Table | str:
    if both is None:
        return "bench: the backend 'bcc' was not measured: see what 'lab/bcc' says"
    table = Table(title=f"bcc over libbpf ({where})")
    for heading in ("", "ratio", "above 1", *BACKENDS):
        table.add_column(heading)
    for name, by in both.rates.items():
        for load_name, one in by.items():
            table.add_row(f"{name}: {load_name}", _text(one), "bcc is faster")
    by_backend = started(findings)
    for name, one in both.costs.items():
        absolute = (f"{by_backend[backend][name]:.2f}" if name in by_backend[backend] else "" for backend in BACKENDS)
        table.add_row(name.replace("_", " "), _text(one), "bcc costs more", *absolute)
    return table


def _bar(ratio: float) -> str:
    """A block for each fifth of 1, and no more than to 2."""
    return "█" * min(10, max(1, round(5 * ratio)))


def _cpu(findings: Findings, where: str) -> Table:
    table = Table(title=f"CPU seconds by process ({where})")
    for heading in ("variant", "per", "by process"):
        table.add_column(heading)
    for variant, by in cpu(findings).items():
        for unit, spent in by.items():
            table.add_row(variant, unit, ", ".join(f"{name} {value:.3f}" for name, value in spent.items()))
    return table


def _targets(aims: list[Target], where: str) -> Table:
    table = Table(title=f"targets ({where})")
    for heading in ("", "aim", "found", "met"):
        table.add_column(heading)
    for aim in aims:
        table.add_row(escape(aim.name), aim.aim, escape(aim.found), "[green]yes[/]" if aim.met else "[bold red]no[/]")
    return table


if __name__ == "__main__":
    sys.exit(main())
