# SPDX-License-Identifier: Apache-2.0
"""The verdict of a soak: whatever must not be is a fault, and refusals are none while an agent is away."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from soak.windows import Window, grown, save, show

GOOD = Window(
    what="quiet",
    away=False,
    good=9,
    failed=0,
    wrong=0,
    secured=18,
    refused={},
    released=0,
    flows_on_the_wire=9,
    marker_hits=0,
    clear_bytes=0,
    holes=0,
    memory={"node-a": 50.0, "node-b": 51.0},
    descriptors={"node-a": 60, "node-b": 61},
    grown=(),
    complaints=(),
)
AWAY = replace(GOOD, away=True, failed=3, refused={"deadline": 3}, complaints=("ERROR of a moment",))


@pytest.mark.parametrize("window", [GOOD, AWAY], ids=["both agents there", "one away"])
def test_what_has_to_be(window: Window) -> None:
    assert window.faults == []


@pytest.mark.parametrize("name", ["marker_hits", "clear_bytes", "released", "holes", "wrong"])
def test_what_must_never_be(name: str) -> None:
    for window in (GOOD, AWAY):
        assert len(replace(window, **{name: 2}).faults) == 1
        assert replace(window, flows_on_the_wire=7).faults == ["2 went well and are not on the wire"]


def test_what_must_not_grow() -> None:
    assert grown([], {"node-a": 500.0}, {"node-a": 600}) == ()
    assert grown([GOOD], {"node-a": 64.9, "node-b": 66.2}, {"node-a": 84, "node-b": 85}) == ()
    more = grown([GOOD, replace(GOOD, memory={})], {"node-a": 65.1, "node-b": 51.0}, {"node-a": 60, "node-b": 86})
    assert more == ("node-a: 50.0 MB have become 65.1", "node-b: 61 descriptors have become 86")
    assert replace(GOOD, grown=more).faults == [*more] and replace(AWAY, grown=more).faults == [*more]


def test_what_must_not_be_with_both_agents_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = replace(GOOD, failed=2, complaints=("ERROR",))
    assert bad.faults == ["2 failed with both agents there", "ERROR"]
    assert replace(GOOD, good=0).faults == ["nothing went well"]
    save([GOOD, AWAY, bad], 1.25, tmp_path / "soak.json")
    found = json.loads((tmp_path / "soak.json").read_text())
    assert (found["connections"], found["failed"], found["restarts"]) == (27, 5, 1)
    assert found["refused"] == {"deadline": 3} and found["faults"] == bad.faults
    show([GOOD, bad])
    assert capsys.readouterr().out.count("FAULT") == 2
