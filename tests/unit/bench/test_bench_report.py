# SPDX-License-Identifier: Apache-2.0
"""What becomes of findings: ratios, CPU by process, targets that are met or not, and the files."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from bench.backends import beside, started
from bench.chart import LEAST, MOST, place, svg
from bench.measurement import LOADS, Findings, Measurement, Memory, Start, Wait, load, save
from bench.summary import compared, cpu, holds, restarts, shares
from bench.targets import Target, targets
from bench.variants import variants

LAB = Path(__file__).parents[3] / "lab"
SECONDS = {
    "plain": 1.0,
    "uncaptured": 1.01,
    "captured": 2.0,
    "nginx_tls": 3.0,
    "stunnel": 8.0,
    "haproxy": 5.0,
    "uncaptured_bcc": 1.01,
    "captured_bcc": 4.0,
}
AGENTS = {"captured": (0.25, 0.25), "captured_bcc": (0.25, 0.5)}


def measured(number: int, variant: str, load: str) -> Measurement:
    seconds = SECONDS[variant] * number
    cpu = {"nginx": 0.25, "stunnel": 0.0}
    cpu |= {
        f"agent of {node}": spent for node, spent in zip(("node-a", "node-b"), AGENTS.get(variant, ()), strict=False)
    }
    return Measurement(round=number, variant=variant, load=load, amount=500, seconds=seconds, cpu=cpu)


FINDINGS = Findings(
    rounds=6,
    dropped=(4,),
    clock="instructions",
    processors=1,
    gcm="generic",
    # The order in which things were measured must not matter.
    measurements=tuple(
        measured(n, way.name, w)
        for way in variants("192.0.2.1", bcc=True)
        for w in way.loads
        for n in (3, 1, 2, 7, 6, 5)
    ),
    waits=(Wait(place="connect", seconds=2.0, cpu_seconds=0.01), Wait(place="gate", seconds=2.0, cpu_seconds=1.9)),
    memory=(Memory(flows=0, megabytes={"node-a": 50.0}), Memory(flows=1000, megabytes={"node-a": 55.0})),
    starts=(
        Start(backend="bcc", seconds=6.0, cpu_seconds=4.0, megabytes=60.0),
        Start(backend="libbpf", seconds=3.0, cpu_seconds=2.0, megabytes=50.0),
    ),
    holds_ns={"client": (1_000_000, 2_000_000, 9_000_000), "server": (3_000_000,)},
    restarts=(0, 4, 5),
)


ALONE = replace(
    FINDINGS, starts=(), measurements=tuple(one for one in FINDINGS.measurements if "bcc" not in one.variant)
)


def verdicts(findings: Findings) -> dict[str, Target]:
    return {target.name: target for target in targets(compared(findings), findings)}


def test_ratios_are_of_rates_and_above_one_where_ours_is_faster() -> None:
    found = compared(FINDINGS)
    for load_name in LOADS:
        assert found["captured_vs_stunnel"][load_name].median == pytest.approx(4.0)
        assert found["captured_vs_plain"][load_name].high == pytest.approx(0.5)
        assert found["uncaptured_vs_plain"][load_name].low == pytest.approx(1 / 1.01)


def test_cpu_is_by_unit_of_work_and_names_only_who_worked() -> None:
    found = cpu(FINDINGS)["captured"]
    assert found["per_1000_connections"] == {"nginx": 0.5, "agent of node-a": 0.5, "agent of node-b": 0.5}
    assert found["per_gb"]["nginx"] == 500_000.0 and "stunnel" not in found["per_gb"]


def test_a_backend_is_faster_or_costs_more_than_the_other() -> None:
    found = beside(FINDINGS)
    assert found is not None
    assert found.rates["captured"].keys() == {"connections"} and found.rates["uncaptured"].keys() == set(LOADS)
    assert found.rates["captured"]["connections"].median == pytest.approx(0.5)
    assert {name: round(one.median, 3) for name, one in found.costs.items()} == {
        "start_up_seconds": 2.0,
        "start_up_cpu_seconds": 2.0,
        "agent_rss_mb": 1.2,
        "agent_cpu_per_connection": 1.5,
    }
    assert started(FINDINGS)["bcc"] == {"start_up_seconds": 6.0, "start_up_cpu_seconds": 4.0, "agent_rss_mb": 60.0}


def test_a_backend_that_was_not_measured_is_not_shown() -> None:
    found = compared(ALONE)
    assert beside(ALONE) is None and found and not any("bcc" in name for name in (*found, *cpu(ALONE)))


def test_holds_restarts_and_waits() -> None:
    assert holds(FINDINGS)["client"] == {"p50_ms": 2.0, "p99_ms": 9.0, "count": 3}
    assert restarts(FINDINGS) == {"mean": 3.0, "p50": 4, "p99": 5}
    assert shares(FINDINGS)["gate"]["share"] == 0.95


def test_targets_are_met_or_not() -> None:
    found = verdicts(FINDINGS)
    assert {name for name, target in found.items() if not target.met} == {"thread on a core: gate"}
    assert len(found) == 3 * 3 + 2 + 1


def test_an_interval_that_reaches_too_low_misses_although_its_median_does_not() -> None:
    slow = [replace(m, seconds=m.seconds * 1.2) if m.round == 1 else m for m in FINDINGS.measurements]
    found = verdicts(replace(FINDINGS, measurements=tuple(slow), rounds=6))
    assert found["uncaptured_vs_plain: bulk"].met  # both of the pair were slow
    slow = [replace(m, seconds=m.seconds * 1.2) if m.variant == "uncaptured" and m.round == 1 else m for m in slow]
    found = verdicts(replace(FINDINGS, measurements=tuple(slow)))
    assert not found["uncaptured_vs_plain: bulk"].met


@pytest.mark.parametrize(("megabytes", "met"), [(55.0, True), (57.0, True), (59.0, False), (81.0, False)])
def test_memory_must_be_small_and_flat(megabytes: float, met: bool) -> None:
    grown = (*FINDINGS.memory, Memory(flows=10_000, megabytes={"node-a": megabytes}))
    found = verdicts(replace(FINDINGS, memory=grown))
    assert found["memory of the agent of node-a, 10000 connections"].met is met


def test_findings_survive_their_file(tmp_path: Path) -> None:
    save(FINDINGS, tmp_path / "findings.json")
    assert load(tmp_path / "findings.json") == FINDINGS


def test_the_chart_is_xml_with_a_bar_for_each_ratio() -> None:
    found = compared(FINDINGS)
    root = ElementTree.fromstring(svg(found, beside(FINDINGS), "emulated & more"))
    texts = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert any(text and "(emulated & more)" in text for text in texts) and texts.count("4.00") == 3
    assert {"captured vs stunnel: bulk", "captured, bcc vs libbpf: connections"} <= set(texts)
    bars = [bar for bar in root.iter("{http://www.w3.org/2000/svg}rect") if bar.get("x")]
    assert len(bars) == 7 * len(LOADS) + 2 + 4 and all(float(bar.get("width", "-1")) >= 0 for bar in bars)
    assert place(LEAST / 9) == place(LEAST) < place(1) < place(MOST) == place(MOST * 9)


def test_the_command_writes_all_and_marks_it(tmp_path: Path) -> None:
    save(FINDINGS, tmp_path / "findings.json")
    for why, emulated in (("no kernel TLS", True), ("", False)):
        words = [sys.executable, "-m", "bench.report", str(tmp_path / "findings.json"), str(tmp_path), why]
        shown = subprocess.run(words, cwd=LAB, check=True, text=True, capture_output=True).stdout
        body = json.loads((tmp_path / "bench.json").read_text())
        assert (body["emulated"], body["rounds"], body["clock"]) == (emulated, 6, "instructions")
        assert body["captured_vs_haproxy"]["requests"]["median"] == pytest.approx(2.5)
        assert body.keys() >= {"cpu", "hold", "restarts_per_flow", "held_thread_core_share", "agent_rss_mb"}
        assert ("emulated" in shown) is emulated and "by instructions" in shown and "thread on a core: gate" in shown
        assert ("emulated" in (tmp_path / "bench.svg").read_text()) is emulated
        assert body["bcc_vs_libbpf"]["agent_rss_mb"]["median"] == pytest.approx(1.2)
        assert body["dropped_rounds"] == [4] and "round 4 is not counted" in shown
        assert "bcc over libbpf" in shown and body["agent_start"]["libbpf"]["agent_rss_mb"] == 50.0


def test_without_the_other_backend_the_command_says_so(tmp_path: Path) -> None:
    save(ALONE, tmp_path / "findings.json")
    words = [sys.executable, "-m", "bench.report", str(tmp_path / "findings.json"), str(tmp_path), ""]
    shown = subprocess.run(words, cwd=LAB, check=True, text=True, capture_output=True).stdout
    assert "'bcc' was not measured" in shown
    assert json.loads((tmp_path / "bench.json").read_text())["bcc_vs_libbpf"] is None


def test_a_file_without_findings_is_said_to_be_one(tmp_path: Path) -> None:
    (tmp_path / "findings.json").write_text('{"rounds": 3}')
    assert "has no findings" in _fails(tmp_path)
    save(replace(FINDINGS, rounds=0, measurements=()), tmp_path / "findings.json")
    assert "no round came to its end" in _fails(tmp_path)


def _fails(folder: Path) -> str:
    words = [sys.executable, "-m", "bench.report", str(folder / "findings.json"), str(folder), ""]
    done = subprocess.run(words, cwd=LAB, text=True, capture_output=True)
    assert done.returncode == 1 and not (folder / "bench.json").exists()
    return done.stdout
